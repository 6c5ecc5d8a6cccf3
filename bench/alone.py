"""What mirrord costs by itself, with nothing beside it: memory by tags, publications, upkeep, starting."""

import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import linear_regression, median

from bench import measure
from bench.child import run
from bench.measure import twice
from bench.page import MB
from bench.session import PEAK_BAR, Bench, fresh

_PUBLISH_BARS = {"in memory": 50, "on disk": 200}
_GROWTH_BAR = 500
"""Bytes of peak memory a tag that are taken for none: 5 MB in a mirror of 10,000 tags."""


def memory(bench: Bench) -> None:
    """Whether memory depends on how many tags there are: peaks of a first and of a second sync, and their slope."""
    lines = ["| corpus | tags | first sync, MB | second sync, MB |", "|---|---:|---:|---:|"]
    counts: list[int] = []
    peaks: list[tuple[int, int]] = []
    for name in ("one", "tags") if bench.is_quick else ("one", "tags", "many"):
        corpus = bench.push(name)
        cold, again = (figure.peak or 0 for figure in fresh(bench.memory, partial(twice, corpus)))
        lines.append(f"| *{corpus.name}* | {corpus.tags:,} | {cold / MB:.1f} | {again / MB:.1f} |")
        counts.append(corpus.tags)
        peaks.append((cold, again))
    slopes = [linear_regression(counts, each).slope for each in zip(*peaks, strict=True)]
    lines.append(f"| bytes a tag, by the line of least squares | | {slopes[0]:,.0f} | {slopes[1]:,.0f} |")
    bench.sections.append("\n".join(["### Memory by the number of tags\n", *lines]) + "\n")
    most = max(map(max, peaks))
    what = f"peak memory, up to {counts[-1]:,} tags"
    bench.bar(what, f"≤ {PEAK_BAR / MB:.0f} MB", f"{most / MB:.0f} MB", is_met=most <= PEAK_BAR)
    words = f"{max(slopes):,.0f} bytes a tag"
    wanted = f"flat: ≤ {_GROWTH_BAR} bytes a tag"
    bench.bar("peak memory by the number of tags", wanted, words, is_met=max(slopes) <= _GROWTH_BAR)


def publications(bench: Bench) -> None:
    """A publication that moves one tag of a large mirror."""
    size = (100, 20) if bench.is_quick else (1000, 100)
    count = size[0] * size[1]
    for name, place in (("in memory", bench.memory), ("on disk", bench.disk)):
        room = Path(tempfile.mkdtemp(dir=place))
        first, moves = measure.publications(room / "root", size, 11)
        shutil.rmtree(room)
        taken, most = median(moves) * 1000, _PUBLISH_BARS[name]
        spread = f"{min(moves) * 1000:.0f} to {max(moves) * 1000:.0f}"
        bench.bar(
            f"publication that moves 1 tag of {count:,} ({size[0]:,} repositories), {name}",
            f"≤ {most} ms",
            f"{taken:.0f} ms ({spread}; the first one, of all tags, {first:.1f} s)",
            is_met=taken <= most,
        )


def scale(bench: Bench) -> None:
    """Looking after 1,000 repositories with 100 tags each, and how long commands take to start."""
    size = ("100", "20") if bench.is_quick else ("1000", "100")
    room = Path(tempfile.mkdtemp(dir=bench.memory))
    found = json.loads(run([sys.executable, "-m", "bench.upkeep", str(room / "root"), *size]).output)
    shutil.rmtree(room)
    lines = ["| command | seconds | processor s | peak MB |", "|---|---:|---:|---:|"]
    for name, cost in found.items():
        lines.append(f"| `{name}` | {cost['seconds']:.2f} | {cost['processor']:.2f} | {cost['peak'] / MB:.0f} |")
    title = f"### *scale*: {int(size[0]):,} repositories with {size[1]} tags each, 21 snapshots, in memory\n"
    bench.sections.append("\n".join([title, *lines]) + "\n")
    mirrord = str(Path(sys.executable).with_name("mirrord"))
    config = bench.memory / "start.yaml"
    config.write_text(f"root: {bench.memory / 'none'}\nimages: [registry.example/app:1]\n")
    for what, command, most in (
        ("start of `mirrord --version`", [mirrord, "--version"], 0.150),
        ("`mirrord check`, of a small config", [mirrord, "check", "--config", str(config)], 0.400),
    ):
        taken = median(run(command).wall for _ in range(7))
        bench.bar(what, f"≤ {most * 1000:.0f} ms", f"{taken * 1000:.0f} ms", is_met=taken <= most)
