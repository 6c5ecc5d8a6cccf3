"""Telling, after something was published, what is served now and was before: ``status/snapshots.json`` and its like.

``repositories.json`` says which generation of each repository was told of; whatever differs from what is served now is
told anew, by whoever comes by. So it costs what changed, and a kill in between is made good the next time. So is what
was published or deleted meanwhile: whoever did that comes by afterwards; the publish mutex is free while this works.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.oci.reference import is_local_name
from mirrord.store import durable
from mirrord.store.generation import read_record
from mirrord.store.hold import decided, read_hold, read_pins
from mirrord.store.layout import Layout, snapshot_sequence
from mirrord.store.public import read_public, write_public
from mirrord.store.reading import parsing
from mirrord.store.record import Record
from mirrord.store.remembered import Identity, identity_of
from mirrord.store.seen import Seen
from mirrord.store.snapshot import Snapshot, served_name, snapshot_names
from mirrord.store.store import Store
from mirrord.store.tell_repository import SCHEMA as REPOSITORY_SCHEMA
from mirrord.store.tell_repository import Past, Stage, image_count, named_bytes, past_after, repository_content
from mirrord.store.tell_snapshots import SCHEMA, TOLD, Entry, disk_document, snapshot_entry, snapshots_document
from mirrord.store.usage import count_pool

SNAPSHOTS: Final = "snapshots.json"
REPOSITORIES: Final = "repositories.json"
_REPOSITORIES_SCHEMA: Final = "mirrord.repositories/1"
_ROOM: Final = "repositories"

_log = get_logger()


async def tell_published(store: Store) -> None:
    """Tell of what is served now. A failure is told in the log: what is served is not touched by it."""
    try:
        for problem in await store.tell(lambda: tell_of(store.seen)):
            _log.warning("status.not_saved", owner=str(problem.owner), error=str(problem))
    except HostError as error:
        _log.warning("status.not_saved", owner=str(error.owner), error=str(error))


def tell_of(seen: Seen) -> Sequence[HostError]:
    """The same; blocks. Gives what single repositories could not be told by. Raises HostError."""
    layout = seen.layout
    name, told = served_name(layout), seen.told
    state = (name, tuple(os.listdir(layout.snapshots)), decided(layout), seen.stirs)
    if name is None or (told is not None and told == (state, _notes(layout))):
        return ()
    problems = _tell_all(seen, name)
    seen.told = None if problems else (state, _notes(layout))
    return problems


def _notes(layout: Layout) -> tuple[Identity | None, Identity | None]:
    return identity_of(layout.status / SNAPSHOTS), identity_of(layout.status / REPOSITORIES)


def _tell_all(seen: Seen, name: str) -> Sequence[HostError]:
    layout, served = seen.layout, seen.snapshot(name)
    before = _read(layout, REPOSITORIES, _REPOSITORIES_SCHEMA, "snapshot", "repositories")
    teller = _Teller(seen, served, before)
    repositories = teller.repositories()
    problems = list(teller.problems)
    problems += _write_snapshots(seen, served, sum(each["bytes"] for each in repositories.values()))
    document = {"schema": _REPOSITORIES_SCHEMA, "snapshot": name, "repositories": repositories}
    if document != before:
        write_public(layout, REPOSITORIES, _encoded(document))
    return problems


def _write_snapshots(seen: Seen, served: Snapshot, named: int) -> Sequence[HostError]:
    """Tell of the snapshots; gives why some are left out: one that is damaged must not hide the others."""
    problems: list[HostError] = []
    layout = seen.layout
    names = _published(layout, served)
    before = _read(layout, SNAPSHOTS, SCHEMA, "snapshots")
    known: dict[str, Entry] = {each["name"]: each for each in before["snapshots"]} if before else {}
    disk = disk_document(count_pool(layout), named)
    entries: list[Entry] = []
    for name in reversed(names[-TOLD:]):
        entry = known.get(name)
        if entry is None or entry["problem"] is not None:
            try:
                snapshot = seen.snapshot(name)
            except HostError as error:
                if durable.is_directory(layout.snapshots / name):  # else it was collected meanwhile
                    problems.append(error)
                continue
            entry = snapshot_entry(seen, snapshot, frozenset(names))
            if name == served.name:
                entry = {**entry, "disk": disk}
        entries.append(entry)
    document = snapshots_document(entries, served.name, read_pins(layout), read_hold(layout), disk)
    if document != before:
        write_public(layout, SNAPSHOTS, _encoded(document))
    return problems


class _Teller(Struct):
    """Tells of each repository whose generation is another than the one that was told of."""

    seen: Seen
    served: Snapshot
    before: Mapping[str, Any] | None
    problems: list[HostError] = field(default_factory=list)
    _names: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._names = _published(self.layout, self.served)

    @property
    def layout(self) -> Layout:
        """The root's paths."""
        return self.seen.layout

    def repositories(self) -> Mapping[str, Mapping[str, Any]]:
        """What stands of each in ``repositories.json``, after its own note is written."""
        known: Mapping[str, Mapping[str, Any]] = self.before["repositories"] if self.before else {}
        found = {name: each for name, each in known.items() if self.served.generations.get(name) == each["generation"]}
        changed = sorted(self.served.generations.keys() - found.keys())
        staged: list[tuple[Path, Path]] = []
        with durable.Barrier(self.layout.root) as barrier:
            for name in changed:
                try:
                    found[name], files = self._stage(name, known.get(name))
                    staged.append(files)
                except HostError as error:
                    self.problems.append(error)
            if staged:
                barrier.wait()  # one for all: an fsync each would take longer than the publication did
        for temporary, path in staged:
            durable.rename(temporary, path)
        for name in sorted(self._told_of(known) - self.served.generations.keys()):
            self._forget(name)
        return dict(sorted(found.items()))

    def _stage(self, name: str, known: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], tuple[Path, Path]]:
        identity = self.served.generations[name]
        record = read_record(self.layout, name, identity)
        past = self._past(name, known, record)
        content = repository_content(self.seen, record, identity, self.served.name, past)
        path = self._note(name)
        durable.make_directories(path.parent, self.layout.status)
        temporary = path.with_name(f".{path.name}")
        durable.unlink(temporary, missing_ok=True)
        durable.write_file(temporary, content, mode=durable.PUBLIC_MODE)
        changed = self.served.published.isoformat(timespec="seconds")
        told = {"generation": identity, "tags": image_count(record), "bytes": named_bytes(record), "changed": changed}
        return told, (temporary, path)

    def _past(self, name: str, known: Mapping[str, Any] | None, record: Record) -> Past:
        """The past of its tags: what was told of it and what came since, or all that the snapshots on disk tell."""
        told = _read_repository(self.layout, name) if self.before and known else None
        is_known = known is not None and told is not None and told["generation"] == known["generation"]
        identity = known["generation"] if known and is_known else None
        after = snapshot_sequence(self.before["snapshot"]) if self.before and is_known else None
        stages: list[Stage] = []
        for each in self._names:
            if (snapshot_sequence(each) or 0) <= (after or 0):
                continue
            with contextlib.suppress(HostError):  # damaged history; `verify` tells of it
                snapshot = self.seen.snapshot(each)
                now = snapshot.generations.get(name)
                if now != identity:
                    found = None if now is None else self._record(name, now, record)
                    identity = now
                    stages.append(Stage(snapshot, found))
        return past_after(told["history"] if told is not None and is_known else {}, stages)

    def _record(self, name: str, identity: str, served: Record) -> Record:
        is_served = identity == self.served.generations[name]
        return served if is_served else read_record(self.layout, name, identity)

    def _note(self, name: str) -> Path:
        return self.layout.status / _ROOM / f"{name}.json"

    def _told_of(self, known: Mapping[str, Any]) -> set[str]:
        """The repositories that have a note: as was told, or (where that is lost) as is on disk."""
        if self.before is not None:
            return set(known)
        room = self.layout.status / _ROOM
        names = {str(path.relative_to(room)).removesuffix(".json") for path in room.rglob("*.json") if path.is_file()}
        return {name for name in names if is_local_name(name)}

    def _forget(self, name: str) -> None:
        path = self._note(name)
        durable.unlink(path, missing_ok=True)
        for above in path.parents:
            if above == self.layout.status or not durable.remove_empty_directory(above):
                break


def _published(layout: Layout, served: Snapshot) -> Sequence[str]:
    """The snapshots up to the served one, oldest first: what was built after it was never published."""
    return [name for name in snapshot_names(layout) if (snapshot_sequence(name) or 0) <= served.sequence]


def _read(layout: Layout, name: str, schema: str, *keys: str) -> Any:  # noqa: ANN401 - JSON
    """A document as it was told; None where there is none of this version, or it can't be read: all is told anew."""
    try:
        content = read_public(layout, name)
        if content is None:
            return None
        with parsing(layout.status / name):
            document = json.loads(content)
            return document if document["schema"] == schema and document.keys() >= set(keys) else None
    except HostError:
        return None


def _read_repository(layout: Layout, name: str) -> Any:  # noqa: ANN401 - JSON
    return _read(layout, f"{_ROOM}/{name}.json", REPOSITORY_SCHEMA, "generation", "history")


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
