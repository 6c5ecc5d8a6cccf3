"""The root itself, and its private rooms: what may lie there, and who may look into it."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from mirrord.errors import HostError
from mirrord.store.blocks import read_blocks
from mirrord.store.hold import read_hold, read_pins
from mirrord.store.layout import CONTROL, CURRENT, FORMAT, LOCK, MARK, Layout, generation_sequence, snapshot_sequence
from mirrord.store.reading import MAX_MARK
from mirrord.store.root import mark_of, rooms_of
from mirrord.store.suspects import Suspects
from mirrord.store.verify_finding import Damage, Found
from mirrord.store.verify_look import Eye, Place

_ROOMS = frozenset({"pool", "staging", "content", "generations", "snapshots", "state", "status"})
_OTHERS = frozenset({CURRENT, MARK, LOCK, CONTROL, "lost+found"})
_TEMPORARY = re.compile(rf"\.(?:{'|'.join(map(re.escape, (CONTROL, CURRENT, LOCK, MARK)))})\.\w+")
_STAGED = re.compile(r"(?:sha256|sha512):[0-9a-f]+\S*\.(?:part|new|copy|link)|\.probe\.\w+|trash|quarantine")
_NOTE = re.compile(r"\.?[a-z][a-z0-9_-]*\.jsonl?(?:\.\d+)?")
_STRICT: dict[str, Callable[[Layout], object]] = {
    "hold.json": read_hold,
    "pins.json": read_pins,
    "blocks.json": read_blocks,
    "suspects.json": Suspects.load,
}
"""Notes without which nothing may be published or deleted."""


def check_root(layout: Layout, eye: Eye, found: Found) -> Iterator[int]:
    """Check the names in the root, its mark, and its rooms."""
    for name in eye.names(found, Place(layout.root, "the root")):
        if name not in _ROOMS | _OTHERS and not _TEMPORARY.fullmatch(name):
            eye.foreign(found, layout.root / name)
    for directory, mode in rooms_of(layout).items():
        eye.directory(found, Place(directory, "a directory of every root", mode))
    mark = Place(layout.mark, "the root's mark", 0o644)
    raw = eye.read(found, mark, MAX_MARK)
    if raw is not None and not _is_mark(raw):
        eye.report(found, mark, Damage.DOCUMENT, f"the mark of a root of format {FORMAT}", "something else")
    lock = Place(layout.root / LOCK, "the words of who holds the root", 0o644)
    if eye.status(found, lock) is not None:
        eye.file(found, lock)
    yield 0


def check_private(layout: Layout, eye: Eye, found: Found) -> Iterator[int]:
    """Check what lies in ``staging/`` and ``state/``: that it is mirrord's, and that nobody else may read the notes."""
    for name in eye.names(found, Place(layout.staging, "staging")):
        is_built = generation_sequence(name) is not None or snapshot_sequence(name) is not None
        if not (_STAGED.fullmatch(name) or is_built):
            eye.foreign(found, layout.staging / name)
    for name in eye.names(found, Place(layout.state, "state")):
        if _NOTE.fullmatch(name):
            _check_note(layout, eye, layout.state / name, found)
        else:
            eye.foreign(found, layout.state / name)
    yield 0


def _check_note(layout: Layout, eye: Eye, path: Path, found: Found) -> None:
    place = Place(path, "a private note", 0o600)
    status = eye.status(found, place)
    if status is None or not eye.is_regular(found, place, status):
        return
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != eye.owner:
        eye.permissions(found, place, status)
    if path.name in _STRICT:
        try:
            _STRICT[path.name](layout)
        except HostError as error:
            eye.report(found, place, Damage.DOCUMENT, "what mirrord wrote", str(error))


def _is_mark(raw: bytes) -> bool:
    try:
        created = json.loads(raw)["created"]
        datetime.fromisoformat(created)
        return raw == mark_of(created)
    except (ValueError, TypeError, KeyError):
        return False
