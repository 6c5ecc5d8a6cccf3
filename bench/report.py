"""The figures as a table for people, and in docs/performance.md between its markers."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.programs import program

from bench.measure import Cost, median
from bench.works import Work

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: written by scripts/bench -->", "<!-- end of figures -->"

Figures = Mapping[str, Sequence[Cost]]
"""The rounds of each contender of one work."""


def table(work: Work, figures: Figures) -> Iterator[str]:
    """The lines of one work's table: medians, and the seconds as multiples of mirrord's."""
    first = median(next(iter(figures.values())))
    yield f"**{work.title}**"
    yield ""
    yield "| | seconds | as multiple | processor seconds | peak memory, MiB | on disk, MiB |"
    yield "|---|---:|---:|---:|---:|---:|"
    for contender in work.contenders:
        costs = figures[contender.name]
        middle = median(costs)
        spread = (
            f" ({min(c.seconds for c in costs):.2f} to {max(c.seconds for c in costs):.2f})" if len(costs) > 1 else ""
        )
        disk = f"{middle.disk_bytes / (1 << 20):,.0f}" if work.unique_bytes else ""
        yield (
            f"| {contender.name} | {middle.seconds:.2f}{spread} | {middle.seconds / first.seconds:.2f} "
            f"| {middle.cpu_seconds:.1f} | {middle.peak_bytes >> 20} | {disk} |"
        )
    if work.unique_bytes:
        yield ""
        yield f"mirrord holds {first.disk_bytes / work.unique_bytes:.4f} times the unique bytes."


def circumstances(rounds: int) -> str:
    """What the figures were measured with."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"Medians of {rounds} rounds, all contenders in turn within a round; {cores} cores shared with the upstream; "
        f"Python {platform.python_version()}, {_version('skopeo', '--version')}, "
        f"upstream {_version('docker-registry', '--version')} on loopback."
    )


def write(lines: Sequence[str]) -> None:
    """Put the lines between the markers of the page."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


def _version(name: str, option: str) -> str:
    command = [program(name, name), option]
    said = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - spelled out above
    return " ".join(said.stdout.split()).replace("github.com/docker/distribution ", "")
