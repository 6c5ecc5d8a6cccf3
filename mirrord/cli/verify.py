"""`mirrord verify`: everything hashed again; with --repair, what is wrong mended or fetched again."""

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, HOST, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.config.model import Config
    from mirrord.store.layout import Layout
    from mirrord.store.verify_finding import Finding
    from mirrord.store.verify_pace import Pacer
    from mirrord.store.verify_pool import Progress
    from mirrord.sync.repair import Repair

_SHOWN = 200
"""Findings shown; the rest is counted."""
_NAMES = 5
_REFRESH = 0.2


@command(app, "verify")
def verify(
    invocation: Invocation,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is wrong; fetch again what is lost.")] = False,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="RATE", help="Read at most this, e.g. 50MB/s; none: all there is.")
    ] = None,
) -> None:
    """Hash everything again and check that the mirror holds all it names, at a bounded rate, beside readers and syncs.

    Without --repair nothing is written and no lock taken. Exit status: 0 nothing is wrong (any more); 1 damage; 3 this
    host is at fault.
    """
    import asyncio

    from mirrord.cli.setting import config_of, root_of
    from mirrord.config.model import Config
    from mirrord.store.tree import Tree
    from mirrord.store.verify_pace import Pacer

    config = config_of(invocation)
    layout = Tree.at(root_of(invocation, config)).layout
    known = config or Config()
    pacer = Pacer(known.verify.rate if rate is None else _rate(rate))
    done = asyncio.run(_carry_out(layout, known, pacer, invocation, repair=repair))
    if invocation.json:
        invocation.print_json("verify", _document(done, repair=repair))
    else:
        sys.stdout.write(_told(done, invocation.verbosity, repair=repair))
    if any(problem.error.owner == "host" for problem in done.problems):
        raise typer.Exit(HOST)
    if done.left or done.found.more:
        raise typer.Exit(FOUND)


def _rate(text: str) -> int | None:
    from mirrord.config.scalars import RATE
    from mirrord.errors import ConfigError

    try:
        return RATE(text)
    except ValueError as error:
        raise ConfigError(f"--rate: {error}") from error


async def _carry_out(
    layout: "Layout", config: "Config", pacer: "Pacer", invocation: Invocation, *, repair: bool
) -> "Repair":
    from concurrent.futures import ThreadPoolExecutor

    from mirrord.cli.running import set_up_log
    from mirrord.cli.writing import writing
    from mirrord.store.reader import Reader
    from mirrord.store.verify import verify as verify_root
    from mirrord.store.verify_pool import Progress
    from mirrord.sync.repair import Repair, verify_and_repair

    set_up_log(config, invocation)
    progress = Progress()
    async with _shown(progress, invocation):
        if repair:
            async with writing(layout, config.reserve) as store:
                return await verify_and_repair(store, config, pacer, progress)
        with ThreadPoolExecutor(1, "verify") as threads:
            found = await verify_root(Reader(layout, threads), pacer, progress)
            return Repair(found, found.findings, ())


def _told(done: "Repair", verbosity: int, *, repair: bool) -> str:
    from mirrord.cli.words import count, duration, plain, size

    lines: list[str] = []
    mended = done.mended if repair else ()
    if verbosity >= 0:
        lines += _lines(mended, "mended   ")
    lines += _lines(done.left, "")
    lines += [f"{problem.error.owner}: {problem.name}: {problem.error}" for problem in done.problems[:_SHOWN]]
    if done.found.more:
        lines.append(f"… and {done.found.more} more: there are too many to keep; repair these, then verify again")
    found = done.found
    speed = f"{size(found.bytes / found.seconds)}/s" if found.seconds else "at once"
    words = f"Verified {count(found.files, 'file')}, {size(found.bytes)} in {duration(found.seconds)} ({speed}). "
    if found.unlinked:
        words += f"{count(found.unlinked, 'file')} ({size(found.unlinked_bytes)}) no repository has, within the grace. "
    if repair and mended:
        words += f"Mended {len(mended)}; servers may keep a wrong file open for another minute. "
    if done.left:
        words += f"{count(len(done.left) + found.more, 'damage')}. " + (_NEXT if repair else "To mend: --repair.")
    elif not mended:
        words += "Nothing is wrong."
    if verbosity >= 0 or done.left:
        lines.append(words.rstrip())
    return "".join(f"{plain(line)}\n" for line in lines)


_NEXT = "What its upstream lacks answers 404 until a sync finds it there again."


def _lines(findings: "Sequence[Finding]", prefix: str) -> list[str]:
    lines: list[str] = []
    for finding in findings[:_SHOWN]:
        lines.append(f"{prefix}{finding.damage:<14} {finding.path}")
        if prefix:
            continue
        lines.append(f"  expected {finding.expected}" + (f"; found {finding.found}" if finding.found else ""))
        if finding.named_by:
            more = f" and {len(finding.named_by) - _NAMES} more" if len(finding.named_by) > _NAMES else ""
            lines.append(f"  needed by {', '.join(finding.named_by[:_NAMES])}{more}")
        if finding.advice:
            lines.append(f"  {finding.advice}")
    if len(findings) > _SHOWN:
        lines.append(f"{prefix}… and {len(findings) - _SHOWN} more")
    return lines


def _document(done: "Repair", *, repair: bool) -> dict[str, object]:
    found = done.found
    return {
        "repair": repair,
        "files": found.files,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
        "unlinked": {"files": found.unlinked, "bytes": found.unlinked_bytes},
        "damages": [finding.document() for finding in done.left],
        "mended": [finding.document() for finding in (done.mended if repair else ())],
        "more": found.more,
        "problems": [problem.document() for problem in done.problems],
    }


@contextlib.asynccontextmanager
async def _shown(progress: "Progress", invocation: Invocation) -> AsyncIterator[None]:
    """Show progress on standard error while the block runs, where that is a terminal."""
    import asyncio

    if invocation.verbosity < 0 or not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_show(progress))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _show(progress: "Progress") -> None:
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        while True:
            words = f"{progress.files_done} files, {progress.damages} damages"
            bar.update(task, description=words, total=progress.bytes_total or None, completed=progress.bytes_done)
            await asyncio.sleep(_REFRESH)
