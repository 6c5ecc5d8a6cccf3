"""A root drawn as a tree for people: digests cut short, long directories folded."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_SHOWN = 4
_LONG = re.compile(r"[0-9a-f]{20,}")


def draw(root: Path, depth: int = 4) -> Iterator[str]:
    """Lines that show what lies below ``root``, ``depth`` levels deep."""
    yield f"{root}/"
    yield from _below(root, "", depth)


def _below(directory: Path, indent: str, depth: int) -> Iterator[str]:
    entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    shown = entries if len(entries) <= _SHOWN + 1 or depth >= 4 else entries[:_SHOWN]  # noqa: PLR2004 - the root is whole
    for number, entry in enumerate(shown):
        is_last = number == len(shown) - 1 and len(shown) == len(entries)
        yield f"{indent}{'└─ ' if is_last else '├─ '}{_name(entry)}"
        if entry.is_dir(follow_symlinks=False) and depth > 1:
            yield from _below(Path(entry.path), indent + ("   " if is_last else "│  "), depth - 1)
    if len(shown) < len(entries):
        yield f"{indent}└─ … {len(entries) - len(shown)} more"


def _name(entry: "os.DirEntry[str]") -> str:
    name = _short(entry.name)
    if entry.is_symlink():
        return f"{name} → {_short(os.readlink(entry.path))}"
    if entry.is_dir(follow_symlinks=False):
        return f"{name}/"
    return f"{name}  ({entry.stat(follow_symlinks=False).st_size:,} bytes)"


def _short(text: str) -> str:
    return _LONG.sub(lambda found: f"{found[0][:12]}…", text)
