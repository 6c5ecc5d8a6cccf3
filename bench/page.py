"""Tables of what was measured, and the page that holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measure import Figure

BEGIN, END = "<!-- figures: written by scripts/bench --write -->", "<!-- end of figures -->"
SERVING = "<!-- figures of serving: written by scripts/bench --serve --write -->"
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what was measured against what was wanted, in words."""

    what: str
    wanted: str
    measured: str
    is_met: bool


def middle(figures: Sequence[Figure]) -> Figure:
    """The median of each part; memory's largest."""
    return Figure(
        wall=median(each.wall for each in figures),
        cpu=median(each.cpu for each in figures),
        peak=max((each.peak for each in figures if each.peak), default=None),
        disk=_median([each.disk for each in figures]),
        requests=_median([each.requests for each in figures]),
        syncs=_median([each.syncs for each in figures]),
    )


def table(title: str, rows: Mapping[str, Figure]) -> str:
    """A table with a line for each row, compared with the first."""
    first = next(iter(rows.values())).wall
    lines = [
        f"### {title}\n",
        "| | wall s | of the first | processor s | peak MB | on disk MB | requests | fsyncs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        cells = [
            f"{row.wall:.2f}",
            f"{row.wall / first:.2f}",
            f"{row.cpu:.2f}",
            "" if row.peak is None else f"{row.peak / MB:.0f}",
            "" if row.disk is None else f"{row.disk / MB:,.0f}",
            "" if row.requests is None else f"{row.requests:,}",
            "" if row.syncs is None else f"{row.syncs:,}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Reach:
    """One contender near and far away."""

    what: str
    near: Figure | None
    far: Figure
    bound: float
    """Seconds that the link itself takes."""


def reach_table(rows: Sequence[Reach]) -> str:
    """What a slow link makes of each, and how much of it is used."""
    lines = [
        "### Without the link and through it\n",
        "| | near s | far s | the link's own s | of the link, used |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        near = f"{row.near.wall:.2f}" if row.near else ""
        used = f"{row.bound / row.far.wall:.0%}"
        lines.append(f"| {row.what} | {near} | {row.far.wall:.2f} | {row.bound:.2f} | {used} |")
    return "\n".join(lines) + "\n"


def bars_table(bars: Sequence[Bar]) -> str:
    """The bars, met or not."""
    lines = ["### Bars\n", "| what | bar | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {bar.what} | {bar.wanted} | {bar.measured} | {'met' if bar.is_met else '**not met**'} |" for bar in bars
    ]
    return "\n".join(lines) + "\n"


def ratios_table(now: Mapping[str, float], committed: Mapping[str, float]) -> str:
    """Ratios as they are, beside those that were written down; what only one side has is left open."""
    lines = ["### Ratios, beside those written down\n", "| | now | written down | |", "|---|---:|---:|---:|"]
    for name in {**now, **committed}:
        ratio, before = now.get(name), committed.get(name)
        both = "" if ratio is None or before is None else f"{ratio / before:.2f} x"
        cells = ["" if each is None else f"{each:.2f}" for each in (ratio, before)]
        lines.append(f"| {name} | {' | '.join(cells)} | {both} |")
    return "\n".join(lines) + "\n"


def write(page: Path, figures: str, begin: str = BEGIN) -> None:
    """Put ``figures`` between the markers of ``page``. Raises SystemExit where it has none."""
    before, found, rest = page.read_text().partition(begin)
    if not found or END not in rest:
        raise SystemExit(f"{page} has no place for figures: {begin} … {END}")
    page.write_text(f"{before}{begin}\n\n{figures}\n{END}{rest.split(END, 1)[1]}")


def _median(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(median(known)) if known else None
