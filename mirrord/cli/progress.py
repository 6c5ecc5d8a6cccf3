"""Progress on a terminal: of a run, and of a verification. rich is imported only there: it takes as long as typer."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mirrord.service.operation import Meters
    from mirrord.store.verify_pool import Progress as Verifying

_NAMES = 2


@contextlib.contextmanager
def run_bar(meters: "Meters") -> Iterator[Callable[[], None]]:
    """Images done, bytes of bytes, speed, how long yet, and what is in work; gives what draws it anew."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    progress = meters.run
    names_column = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True)),
        TransferSpeedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("[dim]{task.fields[names]}", table_column=names_column),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("asking", total=None, names="")

        def update() -> None:
            names = list(progress.working_on)
            more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
            bar.update(
                task,
                description=f"{progress.images_done}/{progress.images_found} images",
                total=progress.bytes_expected or None,
                completed=progress.bytes_fetched,
                names=", ".join(names[:_NAMES]) + more,
            )

        yield update


def verification_bar(meters: "Meters") -> "AbstractContextManager[Callable[[], None]]":
    """Files and damages, bytes of bytes, speed, how long yet; gives what draws it anew."""
    return _bytes_bar(meters.verification, lambda done: f"{done.files_done} files, {done.damages} damages")


def bar_of(verb: str) -> "Callable[[Meters], AbstractContextManager[Callable[[], None]]]":
    """A bar of what is done to files: how many were left out, bytes of bytes, speed, how long yet."""
    return lambda meters: _bytes_bar(
        meters.verification, lambda done: f"{verb}, {done.damages} left" if done.damages else verb
    )


@contextlib.contextmanager
def _bytes_bar(progress: "Verifying", words: "Callable[[Verifying], str]") -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words(progress), total=None)

        def update() -> None:
            total = progress.bytes_total or None
            bar.update(task, description=words(progress), total=total, completed=progress.bytes_done)

        yield update
