"""Snapshots, generations and `current`: against their ids, their own sums, and each other."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mirrord.errors import HostError, MirrordError
from mirrord.oci.reference import is_local_name, is_tag
from mirrord.store import durable
from mirrord.store.generation import generation_target, referrers_document, tag_list
from mirrord.store.layout import Layout, flat_name, generation_sequence, served_by, snapshot_sequence, tag_target
from mirrord.store.reading import MAX_LIST, MAX_RECORD, read_file
from mirrord.store.record import Record
from mirrord.store.snapshot import Snapshot, catalog, read_snapshot, served_name, snapshot_name, snapshot_names
from mirrord.store.verify_finding import Damage, Found
from mirrord.store.verify_look import Eye, Place

_ROOMS = ("tags", "referrers")
"""The directories of a generation."""


class History(Struct, frozen=True):
    """What the snapshots on disk name; one that comes after the served one was never published, and does not count."""

    snapshots: tuple[str, ...]
    """Oldest first."""
    served: Mapping[str, str]
    """By repository, the generation that is served."""
    named: Mapping[str, frozenset[str]]
    """By repository, every generation that a snapshot names, by its link or in its own words."""

    def served_first(self, repository: str) -> Sequence[str]:
        """The generations of a repository that a snapshot names: the served one, then the newest first."""
        served = self.served.get(repository)
        named = sorted(self.named.get(repository, ()), reverse=True)
        return sorted(named, key=lambda identity: identity != served)

    def mark(self, repository: str, identity: str) -> str:
        """What is said after an image that only an earlier generation has."""
        return "" if self.served.get(repository) == identity else f" (before, in {identity})"


def read_history(layout: Layout) -> History:
    """Read it, as far as that can be read."""
    names = snapshot_names(layout)
    try:
        served = served_name(layout)
    except HostError:
        served = None
    if served is not None:
        last = snapshot_sequence(served) or 0
        names = tuple(name for name in names if (snapshot_sequence(name) or 0) <= last)
    named: dict[str, set[str]] = {}
    generations: Mapping[str, str] = {}
    for name in names:
        generations = {**told(layout, name), **linked(layout, name)}
        for repository, identity in {*generations.items(), *told(layout, name).items()}:
            named.setdefault(repository, set()).add(identity)
    return History(names, generations, {repository: frozenset(ids) for repository, ids in named.items()})


def linked(layout: Layout, snapshot: str) -> Mapping[str, str]:
    """By repository, the generation that a snapshot's link names; links that are none of mirrord's are left out."""
    found: dict[str, str] = {}
    try:
        entries = list(os.scandir(layout.snapshots / snapshot))
        links = {entry.name: os.readlink(entry.path) for entry in entries if entry.is_symlink()}
    except OSError:
        return found
    for flat, target in links.items():
        repository, identity = flat.replace("!", "/"), target.rpartition("/")[2]
        is_ours = is_local_name(repository) and generation_sequence(identity) is not None
        if is_ours and target == generation_target(repository, identity):
            found[repository] = identity
    return found


def told(layout: Layout, snapshot: str) -> Mapping[str, str]:
    """By repository, the generation that a snapshot's own note names; nothing where that can't be read."""
    try:
        return read_snapshot(layout, snapshot).generations
    except HostError:
        return {}


def true_record(layout: Layout, repository: str, identity: str) -> Record | None:
    """The record of a generation, where it is there and is what the generation's id says; else None."""
    path = layout.generations / flat_name(repository) / identity / "record.json"
    try:
        return record_of(read_file(layout.root, path, MAX_RECORD), repository, identity)
    except (OSError, HostError):
        return None


def record_of(content: bytes, repository: str, identity: str) -> Record | None:
    """What the bytes of a record say, where they are of that generation of that repository; else None."""
    try:
        record = Record.parse(content) if is_of(content, identity) else None
    except (ValueError, LookupError, TypeError, AttributeError, MirrordError):
        return None
    return record if record is not None and record.name == repository else None


def is_of(record: bytes, identity: str) -> bool:
    """Whether these bytes are the record of the generation with that id."""
    return identity.rpartition("-")[2] == hashlib.sha256(record).hexdigest()[:16]


class HistoryCheck(Struct, frozen=True):
    """Looks at what publications wrote."""

    layout: Layout
    eye: Eye

    def current(self, found: Found) -> Iterator[int]:
        """Check that `current` names a snapshot that is there."""
        place = Place(self.layout.current, "a symlink to the served snapshot")
        status = self.eye.status(found, place)
        if status is None and not snapshot_names(self.layout):
            return
        try:
            says = os.readlink(place.path)
        except OSError:  # absent, or no link
            self.eye.link(found, place, "snapshots/…")
        else:
            name = served_by(says)
            if name is None or says != f"snapshots/{name}":
                self.eye.report(found, place, Damage.LINK, place.what, f"to {says}")
            else:
                self.eye.link(found, place, says)  # its owner
                room = Place(self.layout.snapshots / name, "the served snapshot", durable.DIRECTORY_MODE, part=name)
                if not self.eye.directory(found, room):
                    self.eye.report(found, place, Damage.LINK, f"{place.what} that is there", f"to {says}")
        yield 0

    def rooms(self, found: Found) -> Iterator[int]:
        """Check the names in ``snapshots/`` and ``generations/``; what none of the checks below looks at is foreign."""
        for name in self.eye.names(found, Place(self.layout.snapshots, "the snapshots")):
            if snapshot_sequence(name) is None:
                self.eye.foreign(found, self.layout.snapshots / name)
        for flat in self.eye.names(found, Place(self.layout.generations, "the generations")):
            repository = flat.replace("!", "/")
            room = Place(
                self.layout.generations / flat,
                "a directory of generations",
                durable.DIRECTORY_MODE,
                repository=repository,
            )
            if not is_local_name(repository):
                self.eye.foreign(found, room.path)
            elif self.eye.status(found, room) is not None and self.eye.directory(found, room):
                for identity in self.eye.names(found, room):
                    if generation_sequence(identity) is None:
                        self.eye.foreign(found, room.path / identity)
            yield 0

    def snapshot(self, name: str, found: Found) -> Iterator[int]:
        """Check one snapshot."""
        room = self.layout.snapshots / name
        if not os.path.lexists(room):
            return  # collected since it was listed
        note = Place(room / "_snapshot.json", "what the snapshot is", part=name, named_by=(f"snapshot {name}",))
        if not self.eye.directory(found, Place(room, "a snapshot", durable.DIRECTORY_MODE, part=name)):
            return
        raw = self.eye.read(found, note, MAX_LIST)
        generations = linked(self.layout, name)
        if raw is not None:
            try:
                snapshot = read_snapshot(self.layout, name)
            except HostError as error:
                self.eye.report(found, note, Damage.DOCUMENT, "what a publication wrote", str(error))
            else:
                generations = snapshot.generations
                if not is_whole(snapshot, raw):
                    self.eye.report(found, note, Damage.DOCUMENT, "what a publication wrote", "something else")
        yield 0
        targets = {
            flat_name(repository): generation_target(repository, each) for repository, each in generations.items()
        }
        with self.eye.opened(room) as opened:
            unusual = [flat for flat, target in targets.items() if not (opened and opened.is_link(flat, target))]
        for flat in unusual:
            path, target, repository = room / flat, targets[flat], flat.replace("!", "/")
            words, names = "the link to the generation", (f"snapshot {name}", repository)
            self.eye.link(found, Place(path, words, repository=repository, part=name, named_by=names), target)
        place = Place(room / "_catalog.json", "the catalog", part=name, named_by=(f"snapshot {name}",))
        self._document(found, place, catalog(generations))
        expected = {note.path.name, place.path.name, *map(flat_name, generations)}
        self._no_others(found, Place(room, "a snapshot"), expected)

    def generation(self, repository: str, identity: str, found: Found) -> Iterator[int]:
        """Check one generation that a snapshot names."""
        room = self.layout.generations / flat_name(repository) / identity
        if not os.path.lexists(room) and identity not in read_history(self.layout).named.get(repository, ()):
            return  # collected since the snapshots were read

        def place(path: str, what: str, mode: int = durable.FILE_MODE) -> Place:
            return Place(room / path, what, mode, repository=repository, part=identity, named_by=(repository,))

        if not self.eye.directory(found, place("", "a generation that a snapshot names", durable.DIRECTORY_MODE)):
            return
        record = self._record(found, place("record.json", "the record that the generation's id is of"), identity)
        yield 0
        inner = [place(part, f"the {part} of a generation", durable.DIRECTORY_MODE) for part in _ROOMS]
        tags_are_there, referrers_are_there = [self.eye.directory(found, where) for where in inner]
        tags = record.tags if record else [tag for tag in self.eye.names(found, inner[0]) if is_tag(tag)]
        self._document(found, place("list.json", "the tag list"), tag_list(repository, tags))
        self._no_others(found, place("", "a generation"), {*_ROOMS, "list.json", "record.json"})
        if record is None:
            return  # nobody knows what should be here
        if tags_are_there:
            self._tags(found, record, inner[0])
        if referrers_are_there:
            for subject, listed in record.referrers.items():
                where = place(f"referrers/{subject}.json", "what refers to an image")
                self._document(found, where, referrers_document(listed))
            self._no_others(found, inner[1], {f"{subject}.json" for subject in record.referrers})

    def _tags(self, found: Found, record: Record, room: Place) -> None:
        targets = {tag: tag_target(record.name, held.digest, held.kind) for tag, held in record.tags.items()}
        with self.eye.opened(room.path) as opened:
            unusual = [tag for tag, target in targets.items() if not (opened and opened.is_link(tag, target))]
        for tag in unusual:
            target = targets[tag]
            words, names = "the tag's link", (f"{record.name}:{tag}",)
            where = Place(room.path / tag, words, repository=record.name, part=room.part, named_by=names)
            self.eye.link(found, where, target)
        self._no_others(found, room, set(record.tags))

    def _record(self, found: Found, place: Place, identity: str) -> Record | None:
        raw = self.eye.read(found, place, MAX_RECORD)
        if raw is None:
            return None
        record = record_of(raw, place.repository, identity)
        if record is None:
            got = f"one that hashes to {hashlib.sha256(raw).hexdigest()[:16]}"
            self.eye.report(found, place, Damage.DOCUMENT, place.what, got)
        return record

    def _document(self, found: Found, place: Place, expected: bytes) -> None:
        raw = self.eye.read(found, place, MAX_RECORD)
        if raw is not None and raw != expected:
            self.eye.report(found, place, Damage.DOCUMENT, place.what, "something else")

    def _no_others(self, found: Found, place: Place, expected: set[str]) -> None:
        for name in self.eye.names(found, place):
            if name not in expected:
                self.eye.foreign(found, place.path / name)


def is_whole(snapshot: Snapshot, raw: bytes) -> bool:
    """Whether a snapshot's note is byte for byte what a publication of that name writes."""
    return raw == snapshot.encode() and snapshot.name == snapshot_name(snapshot.sequence, snapshot.published)
