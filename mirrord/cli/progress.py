"""Progress on a terminal: of a run, and of a verification."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Column

from mirrord.service.operation import Meters

_NAMES = 2


@contextlib.contextmanager
def run_bar(meters: Meters) -> Iterator[Callable[[], None]]:
    """Images done, bytes of bytes, speed, how long yet, and what is in work; gives what draws it anew."""
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
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
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


@contextlib.contextmanager
def verification_bar(meters: Meters) -> Iterator[Callable[[], None]]:
    """Files and damages, bytes of bytes, speed, how long yet; gives what draws it anew."""
    progress = meters.verification
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)

        def update() -> None:
            words = f"{progress.files_done} files, {progress.damages} damages"
            bar.update(task, description=words, total=progress.bytes_total or None, completed=progress.bytes_done)

        yield update
