"""Carrying out what changes a root: by the daemon that holds it, else in this process, which looks the same."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Self

import typer
from msgspec import Struct

from mirrord import events
from mirrord.cli.invocation import INTERRUPTED, Invocation
from mirrord.cli.setting import config_of, root_of
from mirrord.config.model import Config
from mirrord.errors import HostError
from mirrord.serve.page_files import keep_page
from mirrord.service.operation import Look, Meters, Operation, Reply, Workshop
from mirrord.service.remote import Daemon, GivenUpError, closed_place, find_daemon
from mirrord.store.layout import Layout
from mirrord.store.root import InUseError
from mirrord.store.store import open_store
from mirrord.store.tree import Tree

THREADS = 2
"""Worker threads of a command that only tidies."""
_REFRESH = 0.2

Update = Callable[[], None]
Bar = Callable[[Meters], AbstractContextManager[Update]]
"""A progress bar: on the terminal until the end of its block; what it gives draws it anew."""


class Mirror(Struct, frozen=True, dict=True):
    """Which mirror a command works on."""

    invocation: Invocation
    config: Config | None
    root: Path

    @classmethod
    def of(cls, invocation: Invocation) -> Self:
        """The mirror of a command, whether or not its root is there yet. Raises ConfigError."""
        config = config_of(invocation)
        return cls(invocation, config, root_of(invocation, config))

    @classmethod
    def existing(cls, invocation: Invocation) -> Self:
        """The mirror of a command that makes none. Raises ConfigError, HostError where the root is none."""
        mirror = cls.of(invocation)
        Tree.at(mirror.root)
        return mirror

    @property
    def layout(self) -> Layout:
        """The root's paths."""
        return Layout(self.root)

    @property
    def control(self) -> Path | None:
        """The control socket that the config names."""
        return self.config.control if self.config else None

    @cached_property
    def daemon(self) -> Daemon | None:
        """The daemon that holds it. Tells, once, where that goes by another state of the config than this command."""
        daemon = find_daemon(self.root, self.control)
        if daemon and self.config and self.invocation.verbosity >= 0:
            about = daemon.about
            if about.fingerprint not in {"", self.config.fingerprint}:
                sys.stderr.write(
                    f"mirrord: warning: the daemon still runs the config of {about.config} as it was when it read it, "
                    "and so does this command; to have it read again: mirrord reload\n"
                )
        return daemon


def typed() -> str:
    """The command line, as a shell takes it."""
    return shlex.join(["mirrord", *sys.argv[1:]])


def carry_out(mirror: Mirror, operation: Operation, bar: Bar | None = None, threads: int = THREADS) -> Reply:
    """Carry out ``operation``, by the daemon where one holds the root. Raises MirrordError."""
    set_up_log(mirror.config or Config(), mirror.invocation)
    daemon, meters = mirror.daemon, Meters()
    with shown(mirror.invocation, bar, meters) as update:
        if daemon is None:
            return asyncio.run(_locally(mirror, operation, meters, update, threads))
        try:
            return daemon.perform(operation, meters, update)
        except GivenUpError as error:
            sys.stderr.write(f"mirrord: {error}\n")
            raise typer.Exit(INTERRUPTED) from None


def look(mirror: Mirror, wish: Look) -> Reply:
    """Look here; where this user may not read the root's private notes, have its daemon look. Raises MirrordError."""
    if os.access(mirror.layout.state, os.R_OK | os.X_OK):
        return wish.look(mirror.layout)
    if mirror.daemon is not None:
        return carry_out(mirror, wish)
    why = closed_place(mirror.root, mirror.control) or (
        "run this as the mirror's user, or as root, or while its daemon runs as one of its control socket's group"
    )
    raise HostError(f"{mirror.layout.state} is the mirror's user's alone; {why}")


async def _locally(mirror: Mirror, operation: Operation, meters: Meters, update: Update, threads: int) -> Reply:
    reserve = (mirror.config or Config()).reserve
    try:
        async with (
            refreshing(update),
            open_store(mirror.root, command=operation.words, threads=threads, reserve=reserve) as store,
        ):
            await keep_page(store)
            return await operation.perform(Workshop(store, mirror.config, meters))
    except InUseError as error:
        if (why := closed_place(mirror.root, mirror.control)) is not None:
            raise HostError(f"{error}; {why}") from error
        raise


def set_up_log(config: Config, invocation: Invocation) -> None:
    """Send events to standard error: on a terminal what went wrong, for the bar tells the story; elsewhere all."""
    levels: list[events.Level] = ["error", "warning", "info", "debug"]
    usual = "warning" if sys.stderr.isatty() else config.log.level
    place = levels.index(usual) + invocation.verbosity
    events.configure(levels[max(0, min(place, len(levels) - 1))], config.log.format)


@contextlib.contextmanager
def shown(invocation: Invocation, bar: Bar | None, meters: Meters) -> Iterator[Update]:
    """Show progress on standard error while the block runs, where that is a terminal; gives what draws it anew."""
    if bar is None or invocation.verbosity < 0 or not sys.stderr.isatty():
        yield _nothing
        return
    with bar(meters) as update:
        yield update


def _nothing() -> None:
    """Nothing is shown."""


@contextlib.asynccontextmanager
async def refreshing(update: Update) -> AsyncIterator[None]:
    """Draw progress anew, time and again, while the block runs."""
    if update is _nothing:
        yield
        return
    task = asyncio.create_task(_refresh(update))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _refresh(update: Update) -> None:
    while True:
        update()
        await asyncio.sleep(_REFRESH)
