"""Snapshots: reading those on disk, building the next one, and the swap that publishes it."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.reference import is_local_name
from mirrord.store import durable
from mirrord.store.failures import host_error
from mirrord.store.generation import generation_target
from mirrord.store.layout import CURRENT, Layout, flat_name, generation_sequence, served_by, snapshot_sequence
from mirrord.store.reading import MAX_LIST, parsing, read_json, read_link

SCHEMA = "mirrord.snapshot/1"


class UndurableError(HostError):
    """What was done is seen, and a power cut may undo it: nothing may be deleted until a restart."""


class Reason(Struct, frozen=True):
    """Why a publication is made."""

    run: str
    """The run's id; empty where no run made it."""
    text: str


class Turn(Struct, frozen=True):
    """Whose turn it is: the number of the snapshot that a publication makes, and what time it is."""

    number: int
    at: datetime


class Snapshot(Struct, frozen=True):
    """One publication, as its ``_snapshot.json`` has it."""

    name: str
    sequence: int
    published: datetime
    parent: str | None
    reason: Reason
    generations: Mapping[str, str]
    """By repository, the id of its generation."""
    tags: int

    def document(self) -> dict[str, object]:
        """As it stands in ``_snapshot.json``."""
        return {
            "schema": SCHEMA,
            "sequence": self.sequence,
            "published": self.published.isoformat(timespec="seconds"),
            "parent": self.parent,
            "reason": self.reason.text,
            "run": self.reason.run,
            "counts": {"repositories": len(self.generations), "tags": self.tags},
            "generations": dict(self.generations),
        }

    def encode(self) -> bytes:
        """The bytes of ``_snapshot.json``: the document, and the beginning of its hash, by which damage is found."""
        content = json.dumps(self.document(), separators=(",", ":"))
        check = hashlib.sha256(content.encode()).hexdigest()[:16]
        return json.dumps(self.document() | {"check": check}, separators=(",", ":")).encode()


def catalog(names: Iterable[str]) -> bytes:
    """The bytes of ``_catalog.json``."""
    return json.dumps({"repositories": sorted(names)}, separators=(",", ":")).encode()


def read_snapshot(layout: Layout, name: str) -> Snapshot:
    """One snapshot. Raises HostError where it is absent or does not parse."""
    path = layout.snapshots / name / "_snapshot.json"
    try:
        document = read_json(layout.root, path, MAX_LIST)
    except FileNotFoundError as error:
        raise host_error("read", path, error) from error
    with parsing(path):
        return Snapshot(
            name=name,
            sequence=int(document["sequence"]),
            published=datetime.fromisoformat(document["published"]).astimezone(UTC),
            parent=None if document["parent"] is None else str(document["parent"]),
            reason=Reason(str(document["run"]), str(document["reason"])),
            generations=dict(_generation(*each) for each in document["generations"].items()),
            tags=int(document["counts"]["tags"]),
        )


@lru_cache(16_384)
def _generation(repository: str, identity: str) -> tuple[str, str]:
    """An entry of ``generations``, both of their grammar: paths are made of them. Raises ValueError, TypeError."""
    if not is_local_name(repository) or generation_sequence(identity) is None:
        raise ValueError(f"{repository!r}: {identity!r} is no generation of a repository")
    return sys.intern(repository), sys.intern(identity)  # snapshots that are remembered have most of them in common


def snapshot_names(layout: Layout) -> tuple[str, ...]:
    """The names of all snapshots on disk, oldest first (by sequence: clocks jump)."""
    try:
        names = os.listdir(layout.snapshots)
    except FileNotFoundError:
        return ()
    return tuple(sorted((name for name in names if snapshot_sequence(name) is not None), key=_sequence))


def served_name(layout: Layout) -> str | None:
    """The name of the served snapshot; None before the first. Raises HostError where it is gone, or is no snapshot."""
    try:
        target = read_link(layout.root, layout.current)
    except FileNotFoundError:
        return None
    name = served_by(target)
    if name is None or not durable.is_directory(layout.snapshots / name):
        raise HostError(f"{layout.current} points to {target}, which is gone; point it to one of {layout.snapshots}")
    return name


def unpublished(layout: Layout) -> tuple[str, ...]:
    """The names of the snapshots that were built and never served: those after the served one.

    Where ``current`` is absent, none was served yet, unless one names the parent that was served before it: then
    ``current`` was lost, none can be told apart, and all count as published. So they do where it leads nowhere.
    """
    names = snapshot_names(layout)
    try:
        served = served_name(layout)
    except HostError:
        return ()
    if served is None:
        return () if any(_parent_of(layout, name) for name in names) else names
    return tuple(name for name in names if _sequence(name) > _sequence(served))


def _parent_of(layout: Layout, snapshot: str) -> str | None:
    try:
        return read_snapshot(layout, snapshot).parent
    except HostError:  # torn by a power cut: it never was served
        return None


def build_snapshot(layout: Layout, snapshot: Snapshot, serving: Mapping[str, str]) -> None:
    """Build ``snapshot`` and rename it into place; links that are as ``serving`` has them are hardlinks of its.

    Durable only after the publication's barrier; published only by `swap`.
    """
    staged = layout.staging / snapshot.name
    durable.make_directory(staged)
    unchanged = {name for name, identity in snapshot.generations.items() if serving.get(name) == identity}
    if unchanged:
        links = {flat_name(name): generation_target(name, snapshot.generations[name]) for name in unchanged}
        durable.link_symlinks(links, layout.current, staged)
    for name in snapshot.generations.keys() - unchanged:
        durable.symlink(generation_target(name, snapshot.generations[name]), staged / flat_name(name))
    durable.write_file(staged / "_catalog.json", catalog(snapshot.generations))
    durable.write_file(staged / "_snapshot.json", snapshot.encode())
    durable.rename(staged, layout.snapshots / snapshot.name)


def swap(layout: Layout, snapshot: Snapshot) -> None:
    """Serve ``snapshot``: one rename. Raises UndurableError where it is served but the rename is not durable."""
    temporary = layout.root / f".{CURRENT}.{snapshot.sequence:08d}"
    durable.symlink(f"{layout.snapshots.name}/{snapshot.name}", temporary)
    durable.rename(temporary, layout.current)
    try:
        durable.sync_directory(layout.root)  # B4: the swap itself
    except HostError as error:
        raise UndurableError(f"snapshot {snapshot.name} is served, but a power cut may undo it: {error}") from error


def snapshot_name(sequence: int, published: datetime) -> str:
    """The name of a snapshot: its sequence orders it, its time is for people."""
    return f"{sequence:08d}-{published.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _sequence(name: str) -> int:
    return snapshot_sequence(name) or 0
