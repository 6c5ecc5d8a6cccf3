"""`mirrord sync`: one run, its progress on a terminal, and its report."""

import sys
from typing import Annotated

import typer

from mirrord.cli.app import FOUND, HOST, app
from mirrord.cli.invocation import Invocation, command

_EXAMPLES = """[bold]Examples[/bold]

mirrord sync alpine:3.20 quay.io/coreos/flannel:v0.11.0 --root ./mirror

mirrord sync --config mirrord.yaml

mirrord sync nginx --dry-run"""


@command(app, "sync", epilog=_EXAMPLES)
def sync(
    invocation: Invocation,
    *,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGE", help="With a config: only these. Without: add these.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask the upstreams, say what would change.")] = False,
    skip_cooldown: Annotated[bool, typer.Option("--skip-cooldown", help="Not built yet.", hidden=True)] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Drop tags though they are more than delete.max.")
    ] = False,
) -> None:
    """Bring the mirror up to date, once: fetch what changed, then publish it in one step.

    Exit status: 0 done; 1 some images failed; 2 the command line or config is wrong; 3 this host is at fault.
    """
    import asyncio

    from mirrord.cli.report import print_report
    from mirrord.cli.running import Wish, carry_out
    from mirrord.cli.setting import config_of, root_of
    from mirrord.config.images import config_for
    from mirrord.errors import ConfigError
    from mirrord.store.change import Brake

    if skip_cooldown:
        raise ConfigError("--skip-cooldown is not built yet: there is no cooldown to skip")
    config = config_of(invocation)
    if config is None and not images:
        raise ConfigError("nothing to mirror: no config was found; name images, or a config with --config FILE")
    given_root = root_of(invocation, config)
    asked = tuple(images or ())
    whole = config if config is not None else config_for(asked, given_root)
    brake = None if allow_deletes else Brake(whole.delete.max)
    wish = Wish(asked, is_command=config is None, is_dry=dry_run, brake=brake)
    report = asyncio.run(carry_out(whole, given_root, wish, invocation))
    if invocation.json:
        invocation.print_json("sync", report.document())
    else:
        print_report(report, sys.stdout, invocation.verbosity)
    if report.is_host_at_fault:
        raise typer.Exit(HOST)
    if report.has_failed:
        raise typer.Exit(FOUND)
