"""Carrying out a sync for a person at a keyboard: the log's level, the progress bar, the store, the run."""

import asyncio
import contextlib
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mirrord import events
from mirrord.cli.invocation import Invocation
from mirrord.config.images import images_of
from mirrord.config.model import Config
from mirrord.store.change import Brake
from mirrord.store.layout import Layout
from mirrord.store.reader import Reader
from mirrord.store.store import open_store
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.outcome import Progress, Report
from mirrord.sync.plan import plan_all, plan_command, plan_some
from mirrord.sync.run import dry_run, run_sync

MAX_THREADS = 8
"""Worker threads of the store; with limits.concurrency 1 there is one."""
_REFRESH = 0.2


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks of a run."""

    images: Sequence[str]
    """With a config: only these. Without one: these."""
    is_command: bool
    """Whether the command alone names the images: there is no config."""
    is_dry: bool
    brake: Brake | None


async def carry_out(config: Config, root: Path, wish: Wish, invocation: Invocation) -> Report:
    """Run one sync and give its report. Raises MirrordError."""
    set_up_log(config, invocation)
    images = images_of(config)
    progress = Progress()
    threads = min(config.limits.concurrency, MAX_THREADS)

    async def plans(reader: Reader) -> Sequence[RepositoryPlan]:
        if wish.is_command:
            return plan_command(images)
        served = await reader.repositories()
        return plan_some(images, served, wish.images) if wish.images else plan_all(images, served)

    async with _shown(progress, invocation):
        if wish.is_dry:
            with ThreadPoolExecutor(threads, "store") as pool:
                reader = Reader(Layout(root), pool)
                return await dry_run(config, await plans(reader), reader, progress)
        words = shlex.join(["mirrord", *sys.argv[1:]])
        async with open_store(root, command=words, threads=threads, reserve=config.reserve) as store:
            return await run_sync(config, await plans(store), store, progress, words, wish.brake)


def set_up_log(config: Config, invocation: Invocation) -> None:
    """Send events to standard error: on a terminal what went wrong, for the bar tells the story; elsewhere all."""
    levels: list[events.Level] = ["error", "warning", "info", "debug"]
    usual = "warning" if sys.stderr.isatty() else config.log.level
    place = levels.index(usual) + invocation.verbosity
    events.configure(levels[max(0, min(place, len(levels) - 1))], config.log.format)


@contextlib.asynccontextmanager
async def _shown(progress: Progress, invocation: Invocation) -> AsyncIterator[None]:
    """Show progress on standard error while the block runs, where that is a terminal."""
    if invocation.verbosity < 0 or not sys.stderr.isatty():
        yield
        return
    from mirrord.cli.progress import show

    task = asyncio.create_task(show(progress, _REFRESH))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
