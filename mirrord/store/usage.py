"""How much the pool holds, without looking at all of it each time: a room is counted anew when its names changed."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.store.durable import is_directory
from mirrord.store.failures import host_errors
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.remembered import is_settled
from mirrord.store.state import read_note, write_state

_FILE: Final = "usage.json"


class Room(Struct, frozen=True):
    """One directory of the pool, as it was counted."""

    changed: int
    """Its mtime (ns) then; 0: it is to be counted anew."""
    bytes: int
    files: int


class Usage(Struct, frozen=True):
    """What the pool holds: every byte once, also of what only earlier snapshots name."""

    bytes: int
    files: int


def count_pool(layout: Layout) -> Usage:
    """Count the pool. Files there never change their size, so a room whose names are as before is not looked into."""
    known = counted_rooms(layout)
    now = time.time_ns()
    rooms = {name: _room(path, known.get(name), now) for name, path in _rooms(layout)}
    if rooms != known:
        _save(layout, rooms)
    return Usage(sum(room.bytes for room in rooms.values()), sum(room.files for room in rooms.values()))


def _rooms(layout: Layout) -> Iterator[tuple[str, str]]:
    for algorithm in ("sha256", "sha512"):
        above = layout.root / "pool" / algorithm
        if is_directory(above):
            with host_errors("count", above):
                names = sorted(os.listdir(above))
            for name in names:
                yield f"{algorithm}/{name}", f"{above}/{name}"


def _room(path: str, known: Room | None, now: int) -> Room:
    with host_errors("count", path):
        changed = os.stat(path).st_mtime_ns
        if known is not None and known.changed == changed:
            return known
        sizes = []
        with os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # collected meanwhile
                    sizes.append(entry.stat(follow_symlinks=False).st_size)
        return Room(changed if is_settled(changed, now) else 0, sum(sizes), len(sizes))


def counted_rooms(layout: Layout) -> Mapping[str, Room]:
    """By ``algorithm/prefix``, what was counted before; nothing where it can't be read: all is counted anew."""
    try:
        document = read_note(layout, _FILE) or {}
        with parsing(layout.state / _FILE):
            return {str(name): Room(*map(int, counted)) for name, counted in document.items()}
    except HostError:
        return {}


def _save(layout: Layout, rooms: Mapping[str, Room]) -> None:
    document = {name: [room.changed, room.bytes, room.files] for name, room in rooms.items()}
    write_state(layout, _FILE, json.dumps(document, separators=(",", ":")).encode())
