"""`mirrord sync`: one run, its progress on a terminal, and its report."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli import completing
from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.cli.running import Mirror
    from mirrord.config.model import Config
    from mirrord.service.operation import Reply
    from mirrord.service.operations.sync import Sync

MAX_THREADS = 8
"""Worker threads of the store; with limits.concurrency 1 there is one."""


@command(app, "sync")
def sync(
    invocation: Invocation,
    *,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="With a config: only these. Without: add these.",
            autocompletion=completing.repositories,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the upstreams, say what would change.")] = False,
    skip_cooldown: Annotated[
        bool, typer.Option("--skip-cooldown", help="Publish new digests that wait for their cooldown.")
    ] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Drop tags though they are more than delete.max.")
    ] = False,
) -> None:
    """Bring the mirror up to date, once: fetch what changed, then publish it in one step.

    Exit status: 0 done; 1 some images failed; 2 the command line or config is wrong; 3 this host is at fault.
    """
    from mirrord.cli.progress import run_bar
    from mirrord.cli.report import print_report
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.allocator import settle_allocator
    from mirrord.service.operations.sync import Sync

    settle_allocator(arenas=1)
    mirror = Mirror.of(invocation)
    wish = Sync(
        words=typed(),
        images=tuple(images or ()),
        adds=mirror.config is None,
        skip_cooldown=skip_cooldown,
        allow_deletes=allow_deletes,
    )
    config = wish.config_for(mirror.config)
    if dry_run:
        reply = _dry_run(mirror, wish, config)
    else:
        reply = carry_out(mirror, wish, run_bar, min(config.limits.concurrency, MAX_THREADS))
    if invocation.json:
        invocation.print_json("sync", reply.document)
    else:
        print_report(reply.document, sys.stdout, invocation.verbosity)
    raise typer.Exit(reply.status)


def _dry_run(mirror: "Mirror", wish: "Sync", config: "Config") -> "Reply":
    """Ask the upstreams from this process: nothing is written, and no lock needed."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from mirrord.cli.progress import run_bar
    from mirrord.cli.running import refreshing, set_up_log, shown
    from mirrord.service.operation import Meters
    from mirrord.service.operations.sync import reply_of
    from mirrord.store.reader import Reader
    from mirrord.sync.run import dry_run

    set_up_log(config, mirror.invocation)
    meters = Meters()

    async def ask() -> "Reply":
        with ThreadPoolExecutor(min(config.limits.concurrency, MAX_THREADS), "store") as threads:
            reader = Reader(mirror.layout, threads)
            return reply_of(await dry_run(config, await wish.plans(config, reader), reader, meters.run))

    with shown(mirror.invocation, run_bar, meters) as update:

        async def ask_and_show() -> "Reply":
            async with refreshing(update):
                return await ask()

        return asyncio.run(ask_and_show())
