"""Bars of how long each contender took, as an SVG that is read in light and in dark."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from bench.measure import Figure

_STYLE = (
    "<style>text{fill:#222;font:13px sans-serif}rect{fill:#9aa5b1}.own{fill:#2563eb}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>"
)
_LINE, _NAMES, _BARS, _REST = 26, 250, 420, 80


def plot(path: Path, title: str, rows: Mapping[str, Figure]) -> None:
    """Write a bar for each row, as long as its wall time; mirrord's stand out."""
    longest = max(row.wall for row in rows.values())
    height = _LINE * (len(rows) + 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_NAMES + _BARS + _REST}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<text x="4" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, row) in enumerate(rows.items(), 1):
        top, width = number * _LINE + 4, max(2, round(row.wall / longest * _BARS))
        own = ' class="own"' if name.startswith("mirrord") else ""
        parts += [
            f'<text x="{_NAMES - 8}" y="{top + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect{own} x="{_NAMES}" y="{top}" width="{width}" height="{_LINE - 8}"/>',
            f'<text x="{_NAMES + width + 6}" y="{top + 15}">{row.wall:.2f} s</text>',
        ]
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")
