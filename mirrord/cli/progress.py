"""The progress of a run on a terminal: images done, bytes of bytes, speed, how long yet, and what is in work."""

import asyncio

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar

from mirrord.sync.outcome import Progress

_NAMES = 2


async def show(progress: Progress, interval: float) -> None:
    """Draw ``progress`` on standard error every ``interval`` seconds until cancelled."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[names]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
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
