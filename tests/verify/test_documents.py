"""Every document that publications write is covered by a check, whole: one flipped bit anywhere is found."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.damage import INDEX, Model
from support.mirror import HOST

from mirrord.store.layout import Layout, flat_name
from mirrord.store.verify_finding import Found
from mirrord.store.verify_history import HistoryCheck
from mirrord.store.verify_look import Eye

APP = f"{HOST}/app"
_BYTES = 300
Look = Callable[[Found], Iterator[int]]


def of_snapshot(layout: Layout, name: str) -> tuple[Path, Look]:
    """A document of the served snapshot, and what looks at it."""
    room = layout.current.resolve()
    check = HistoryCheck(layout, Eye(layout.root, os.geteuid()))
    return room / name, lambda found: check.snapshot(room.name, found)


def of_generation(layout: Layout, name: str) -> tuple[Path, Look]:
    """A document of a served generation, and what looks at it."""
    room = (layout.current / flat_name(APP)).resolve()
    check = HistoryCheck(layout, Eye(layout.root, os.geteuid()))
    return room / name, lambda found: check.generation(APP, room.name, found)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (of_snapshot, "_snapshot.json"),
        (of_snapshot, "_catalog.json"),
        (of_generation, "record.json"),
        (of_generation, "list.json"),
        (of_generation, f"referrers/{INDEX.digest}.json"),
    ],
)
def test_a_flipped_bit_in_any_byte_is_found(
    model: Model, of: Callable[[Layout, str], tuple[Path, Look]], name: str
) -> None:
    """One bit of some hundreds of its bytes in turn: the document is named each time."""
    path, look = of(Layout(model.place / "mirror"), name)
    whole = path.read_bytes()
    mode = path.stat().st_mode
    try:
        path.chmod(0o644)
        for offset in range(0, len(whole), len(whole) // _BYTES + 1):
            changed = bytes([whole[offset] ^ 1 << offset % 8])
            path.write_bytes(whole[:offset] + changed + whole[offset + 1 :])
            path.chmod(mode)
            found = Found()
            assert list(look(found)) is not None
            assert str(path.relative_to(model.place / "mirror")) in {key[1] for key in found.findings}, offset
    finally:
        path.write_bytes(whole)
        path.chmod(mode)
    found = Found()
    assert list(look(found)) is not None
    assert not found
