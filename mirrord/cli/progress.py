"""The progress of a run on a terminal: images done, bytes of bytes, speed, how long yet, and what is in work."""

import asyncio

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column

from mirrord.sync.outcome import Progress

_NAMES = 2


async def show(progress: Progress, interval: float) -> None:
    """Draw ``progress`` on standard error every ``interval`` seconds until cancelled."""
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
        while True:
            names = list(progress.working_on)
            more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
            bar.update(
                task,
                description=f"{progress.images_done}/{progress.images_found} images",
                total=progress.bytes_expected or None,
                completed=progress.bytes_fetched,
                names=", ".join(names[:_NAMES]) + more,
            )
            await asyncio.sleep(interval)
