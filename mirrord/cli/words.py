"""Output for people: numbers as they read them, and a console for tables."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_KIB = 1024.0
_MINUTE = 60
_DAY = 24


_WIDE = 300


def console() -> "Console":
    """Standard output for tables: as wide as the terminal; where there is none, wide enough to fold nothing."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE)


def plain(text: str) -> str:
    """``text`` with what can't be shown, or would move the cursor, written as an escape: names may be anybody's."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def count(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(number: float) -> str:
    """Bytes as ``0 B``, ``1.5 KiB``, ``992 MiB``."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= _KIB and len(units) > 1:
        number /= _KIB
        units.pop(0)
    digits = 0 if units[0] == "B" or number >= 100 else 1  # noqa: PLR2004 - three digits say enough
    return f"{number:.{digits}f} {units[0]}"


def duration(seconds: float) -> str:
    """Seconds as ``0.8 s``, ``42 s``, ``3 min 20 s``, ``5 h 10 min``, ``2 d 4 h``."""
    if seconds < 10:  # noqa: PLR2004 - below it a tenth still tells something
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    days, hours = divmod(hours, _DAY)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
