"""Mending what publications wrote: each document is made anew from one that is proved whole, and put in by rename.

A generation's id holds the hash of its record, and a snapshot's note its own: what is rebuilt is proved the same way.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.failures import host_errors
from mirrord.store.generation import generation_target, referrers_document, tag_list
from mirrord.store.layout import Layout, flat_name, snapshot_sequence, tag_target
from mirrord.store.reading import MAX_LIST, read_file
from mirrord.store.snapshot import Reason, Snapshot, catalog, read_snapshot, served_name, snapshot_names, swap
from mirrord.store.verify_finding import Finding
from mirrord.store.verify_history import is_whole, linked, read_history, true_record
from mirrord.store.verify_mend import quarantine
from mirrord.store.verify_recover import count_tags, proved_record


def rebuild(layout: Layout, findings: Iterable[Finding]) -> None:
    """Mend every generation and snapshot that has a finding, then `current`. Raises HostError."""
    found = [each for each in findings if each.part or each.path == layout.current.name]
    generations = {(each.repository, each.part) for each in found if each.path.startswith("generations/")}
    snapshots = {each.part for each in found if each.path.startswith("snapshots/")}
    for repository, identity in sorted(generations):
        _rebuild_generation(layout, repository, identity)
    for name in sorted(snapshots):
        _rebuild_snapshot(layout, name)
    if any(each.path == layout.current.name for each in found) or not _is_served(layout):
        _rebuild_current(layout)


def _is_served(layout: Layout) -> bool:
    """Whether `current` names a snapshot that is there, or nothing was ever published."""
    try:
        return served_name(layout) is not None or not snapshot_names(layout)
    except HostError:
        return False


def _rebuild_generation(layout: Layout, repository: str, identity: str) -> None:
    """Mend one generation, as far as its record is there or can be proved; else nothing is done."""
    room = layout.generations / flat_name(repository) / identity
    record = true_record(layout, repository, identity) or proved_record(layout, repository, identity)
    if record is None:
        return
    for directory in (room.parent, room, room / "tags", room / "referrers"):
        _make_room(layout, directory)
    _put_file(layout, room / "record.json", record.encode())
    _put_file(layout, room / "list.json", tag_list(repository, record.tags))
    for tag, held in record.tags.items():
        _put_link(layout, room / "tags" / tag, tag_target(repository, held.digest, held.kind))
    for subject, listed in record.referrers.items():
        _put_file(layout, room / "referrers" / f"{subject}.json", referrers_document(listed))
    for directory in (room / "tags", room / "referrers", room, room.parent):
        durable.sync_directory(directory)


def _rebuild_snapshot(layout: Layout, name: str) -> None:
    """Mend one snapshot; where neither its note nor a link is left, it is none any more, and an older one is served."""
    room = layout.snapshots / name
    whole = _whole(layout, name)
    snapshot = whole or _guessed(layout, name)
    if not durable.is_directory(room) or not (whole or snapshot.generations):
        _clear(layout, room)
        return
    _put_file(layout, room / "_snapshot.json", snapshot.encode())
    _put_file(layout, room / "_catalog.json", catalog(snapshot.generations))
    for repository, identity in snapshot.generations.items():
        _put_link(layout, room / flat_name(repository), generation_target(repository, identity))
    durable.sync_directory(room)


def _whole(layout: Layout, name: str) -> Snapshot | None:
    """A snapshot as its note has it; None where that is not what a publication wrote."""
    try:
        raw = read_file(layout.root, layout.snapshots / name / "_snapshot.json", MAX_LIST)
        snapshot = read_snapshot(layout, name)
    except (FileNotFoundError, HostError):
        return None
    return snapshot if is_whole(snapshot, raw) else None


def _guessed(layout: Layout, name: str) -> Snapshot:
    """A snapshot whose note is damaged: what it serves is in its links, and its name says which it is."""
    sequence = snapshot_sequence(name) or 0
    published = datetime.strptime(name.rpartition("-")[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    try:
        noted = read_snapshot(layout, name)
    except HostError:
        before = [each for each in snapshot_names(layout) if (snapshot_sequence(each) or 0) < sequence]
        reason = Reason("", "its note was damaged; made anew by verify --repair")
        noted = Snapshot(name, sequence, published, before[-1] if before else None, reason, {}, 0)
    generations = _agreed(layout, noted.generations, linked(layout, name))
    tags = count_tags(layout, generations)
    return replace(noted, sequence=sequence, published=published, generations=generations, tags=tags)


def _agreed(layout: Layout, noted: Mapping[str, str], links: Mapping[str, str]) -> Mapping[str, str]:
    """For each repository the generation that is on disk, of what a damaged note and the links say: a link's first."""
    agreed: dict[str, str] = {}
    for repository in (*noted, *(each for each in links if each not in noted)):
        for said in (links, noted):
            identity = said.get(repository)
            if identity and durable.is_directory(layout.generations / flat_name(repository) / identity):
                agreed[repository] = identity
                break
    return agreed


def _rebuild_current(layout: Layout) -> None:
    """Serve the newest snapshot that can be read and whose generations are all there."""
    for name in reversed(read_history(layout).snapshots):
        try:
            snapshot = read_snapshot(layout, name)
        except HostError:
            continue
        rooms = [layout.generations / flat_name(each) / identity for each, identity in snapshot.generations.items()]
        if all(durable.is_directory(room) for room in rooms):
            if durable.is_directory(layout.current):
                _clear(layout, layout.current)  # a rename replaces no directory
            swap(layout, snapshot)
            return


def _make_room(layout: Layout, directory: Path) -> None:
    if os.path.lexists(directory) and not durable.is_directory(directory):
        quarantine(layout, directory, directory.name)
    durable.make_directory(directory)


def _put_file(layout: Layout, path: Path, content: bytes) -> None:
    """Put a file in place, unless it is there as it should be."""

    def is_right() -> bool:
        return not path.is_symlink() and path.is_file() and path.read_bytes() == content

    _put(layout, path, is_right, lambda staged: durable.write_file(staged, content, sync=True))


def _put_link(layout: Layout, path: Path, target: str) -> None:
    def is_right() -> bool:
        return path.is_symlink() and os.readlink(path) == target

    _put(layout, path, is_right, lambda staged: durable.symlink(target, staged))


def _put(layout: Layout, path: Path, is_right: Callable[[], bool], make: Callable[[Path], None]) -> None:
    with host_errors("look at", path):
        if is_right():
            return
    staged = layout.staging / "mended.new"
    durable.unlink(staged, missing_ok=True)
    make(staged)
    if durable.is_directory(path):
        _clear(layout, path)  # a rename replaces no directory
    durable.rename(staged, path)


def _clear(layout: Layout, path: Path) -> None:
    """Take out whatever is there."""
    if os.path.lexists(path):
        quarantine(layout, path, path.name)
