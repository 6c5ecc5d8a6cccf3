"""Garbage collection: snapshots, generations, manifests, blobs, the pool, each swept only after the level above.

It rests on proof: any doubt keeps everything of that repository, and is told. A kill at any point leaves garbage,
never a hole; the next start clears the trash.
"""

import contextlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.garbage import (
    DoubtError,
    compared_blobs,
    digests_present,
    generations_on_disk,
    manifests_present,
    named_digests,
    repositories_on_disk,
    unnamed_manifests,
)
from mirrord.store.hold import read_hold, read_pins
from mirrord.store.layout import Layout
from mirrord.store.reading import opened_directory
from mirrord.store.remembered import identity_of
from mirrord.store.retention import Retention, Why, kept
from mirrord.store.seen import Seen
from mirrord.store.snapshot import UndurableError, served_name
from mirrord.store.tombstones import Tombstones

Clock = Callable[[], float]
"""Seconds since the epoch."""

_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "sha512": re.compile(r"[0-9a-f]{128}")}


class Level(StrEnum):
    """What is collected, in the order in which it is."""

    SNAPSHOT = "snapshot"
    GENERATION = "generation"
    MANIFEST = "manifest"
    BLOB = "blob"
    POOL = "pool file"


class Victim(Struct, frozen=True):
    """One thing that goes."""

    level: Level
    name: str
    why: str
    freed: int
    """Bytes of disk that it frees by itself: a link frees none."""


class Collected(Struct):
    """What a collection removed, or would remove."""

    victims: list[Victim] = field(default_factory=list)
    waiting: int = 0
    """Manifests that nothing names and whose grace is not over."""
    doubts: list[str] = field(default_factory=list)
    """Why something was kept that may be garbage."""
    skipped: list[str] = field(default_factory=list)
    """Repositories that a run had in work."""

    @property
    def counts(self) -> Counter[Level]:
        """Victims by level."""
        return Counter(victim.level for victim in self.victims)

    @property
    def freed(self) -> int:
        """Bytes of disk."""
        return sum(victim.freed for victim in self.victims)


class Collector(Struct, frozen=True):
    """One collection of one root. The caller holds the lock of whatever a method is about."""

    layout: Layout
    retention: Retention
    is_dry: bool
    seen: Seen
    clock: Clock
    result: Collected = field(default_factory=Collected)
    kept_generations: dict[str, set[str]] = field(default_factory=dict)
    """By repository, those that a snapshot that stays names."""
    lacked: set[str] = field(default_factory=set)
    """What repositories should have and don't, or may not: the pool's copies stay, for whoever repairs them."""
    trashed: list[Path] = field(default_factory=list)
    """What this collection renamed into the trash, and nobody else's."""

    def snapshots(self) -> bool:
        """Sweep snapshots, and the generations that none of those left names (under the publish mutex).

        False where nothing was ever published: then nothing is collected. Raises HostError where no valid snapshot is
        served, or any can't be read: then nothing is collected either.
        """
        served = served_name(self.layout)
        found = self.seen.all_snapshots()
        if served is None and not found and not os.listdir(self.layout.generations):
            return False
        if served is None or not found:
            raise HostError(f"{self.layout.root} serves no snapshot: nothing is collected")
        now = datetime.fromtimestamp(self.clock(), UTC)
        stay = kept(found, served, self._protected(), self.retention, now)
        for snapshot in found:
            if snapshot.name in stay:
                for name, identity in self.seen.generations_named(snapshot):
                    self.kept_generations.setdefault(name, set()).add(identity)
        with self._trashing():
            for snapshot in found:
                if snapshot.name not in stay:
                    self._record(Level.SNAPSHOT, snapshot.name, "no rule of the retention keeps it", 0)
                    self._trash(self.layout.snapshots / snapshot.name)
            for flat in sorted(os.listdir(self.layout.generations)):
                self._trash_generations(flat.replace("!", "/"), self.layout.generations / flat)
        return True

    def _protected(self) -> dict[str, Why]:
        hold = read_hold(self.layout)
        return dict.fromkeys(read_pins(self.layout), Why.PINNED) | dict.fromkeys(
            hold.snapshots if hold else (), Why.HELD
        )

    @contextlib.contextmanager
    def _trashing(self) -> Iterator[None]:
        """What the block renames into the trash, or a collection before it that failed, is durably gone after it.

        Before the first rename, what is served is made durable once more: its writer may have died between the swap
        and B4, and the snapshot that a power cut would bring back must not be deleted (hole 5 of docs/architecture.md).
        """
        if self.is_dry:
            yield
            return
        with durable.Barrier(self.layout.root) as barrier:  # opened before what it is to make durable
            with _undurable():
                durable.sync_directory(self.layout.root)
            yield
            with _undurable():
                barrier.wait()

    def _trash_generations(self, repository: str, room: Path) -> None:
        try:
            identities = generations_on_disk(self.layout, repository)
        except DoubtError as doubt:
            self._doubt(doubt)
            return
        gone = identities - self.kept_generations.get(repository, set())
        for identity in sorted(gone):
            self._record(Level.GENERATION, f"{repository} {identity}", "no snapshot names it", 0)
            self._trash(room / identity)
        if gone == identities and not self.is_dry:
            durable.remove_empty_directory(room)

    def _trash(self, path: Path) -> None:
        if not self.is_dry:
            durable.rename(path, self.layout.trash / path.name)
            self.seen.deleted(path)
            self.trashed.append(self.layout.trash / path.name)

    def empty_trash(self) -> None:
        """Remove what was renamed into the trash; may take long, and needs no lock."""
        for path in self.trashed:
            durable.remove_tree(path)

    def repository(self, name: str, tombstones: Tombstones) -> None:
        """Sweep one repository's manifests, then its blobs (under its lock). Any doubt keeps all of it, and is told."""
        state = self.seen.state_of(name, self.kept_generations)
        try:
            is_clean = self._repository(name, tombstones, self.clock())
        except DoubtError as doubt:
            self._doubt(doubt)
            self.lacked.update(digests_present(self.layout, name))
        else:
            if not self.is_dry:
                self._prune(name)
                if is_clean:
                    self.seen.found_clean(name, state)

    def _repository(self, name: str, tombstones: Tombstones, now: float) -> bool:
        """Whether nothing was found: as long as nothing changes, a next look finds nothing either."""
        generations, wanted = generations_on_disk(self.layout, name), self.kept_generations.get(name, set())
        if lost := sorted(wanted - generations):
            raise DoubtError(f"{name}: its generation {lost[0]}, which a snapshot names, is gone")
        if self.is_dry:
            generations &= wanted
        present = manifests_present(self.layout, name, self.seen.manifests)
        named = named_digests(self.layout, name, generations, self.seen.generations)
        unnamed = unnamed_manifests(present, named)
        tombstones.note(name, unnamed, now)
        due = [each for each in unnamed if tombstones.is_due(name, each, now, self.retention.patience)]
        left = present.keys() - due
        waiting = [each for each in unnamed if each in left]
        self.result.waiting += len(waiting)
        blobs, lacked = compared_blobs(self.layout, name, [present[each] for each in left])
        absent = named - {present[each].digest for each in left}
        self.lacked.update(lacked, absent)
        if absent:  # nobody knows which blobs it names: they are of use when `verify --repair` has it back
            blobs = ()
        for each in due:
            self._record(Level.MANIFEST, f"{name} {each}", "no tag names it, and its grace is over", 0)
            self._unlink(self.layout.manifests(name) / each)
            self.seen.unlinked(present[each].digest)
        if (due or blobs) and not self.is_dry:
            self._sync(self.layout.manifests(name))
            tombstones.note(name, waiting, now)  # what comes back has its whole grace again
        for each in blobs:
            self._record(Level.BLOB, f"{name} {each}", "no manifest here names it", 0)
            self._unlink(self.layout.blobs(name) / each)
            self.seen.unlinked(each)
        if blobs and not self.is_dry:
            self._sync(self.layout.blobs(name))
        return not (unnamed or blobs or lacked or absent)

    def _sync(self, directory: Path) -> None:
        if durable.is_directory(directory):
            with _undurable():
                durable.sync_directory(directory)

    def _unlink(self, path: Path) -> None:
        if not self.is_dry:
            durable.unlink(path, missing_ok=True)
            self.seen.deleted(path)

    def _prune(self, name: str) -> None:
        """Remove a repository's empty directories, and empty ones above them."""
        for room in (self.layout.blobs(name), self.layout.manifests(name)):
            durable.remove_empty_directory(room)
        directory = self.layout.content / name
        while directory != self.layout.content and durable.remove_empty_directory(directory):
            directory = directory.parent

    def pool_rooms(self) -> tuple[Path, ...]:
        """The directories of the pool's files that may have something to collect."""
        rooms = [path for name in _HEX for path in (self.layout.root / "pool" / name).iterdir()]
        now = self.clock()
        looked_at = [path for path in rooms if not self.seen.is_room_clean(str(path), now)]
        return tuple(sorted(path for path in looked_at if durable.is_directory(path)))

    def pool(self, room: Path) -> None:
        """Sweep one directory of the pool (under the lock of those who link) of files that nothing links to.

        Their ctime is when the last link went: the grace begins then.
        """
        now, algorithm, prefix = self.clock(), room.parent.name, room.name
        is_hex = _HEX[algorithm].fullmatch
        before, has_others = identity_of(room), True
        with opened_directory(str(room)) as directory:
            for name in sorted(os.listdir(directory)):
                try:
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:  # quarantined meanwhile
                    continue
                if not (stat.S_ISREG(status.st_mode) and is_hex(name) and name.startswith(prefix)):
                    self.result.doubts.append(f"{room}/{name} is none of mirrord's; it stays")
                    has_others = False
                elif status.st_nlink == 1:
                    has_others = False
                    digest = f"{algorithm}:{name}"
                    if now - status.st_ctime > self.retention.patience and digest not in self.lacked:
                        self._record(Level.POOL, digest, "no repository has it", status.st_blocks * 512)
                        self._unlink(room / name)
        if has_others:
            self.seen.found_room_clean(str(room), before)

    def repositories(self) -> tuple[str, ...]:
        """Every repository with content, and every one that should have some, but those in which nothing changed."""
        every = {*repositories_on_disk(self.layout), *self.kept_generations}
        self.seen.only(every)
        return tuple(sorted(name for name in every if not self.seen.is_clean(name, self.kept_generations)))

    def _record(self, level: Level, name: str, why: str, freed: int) -> None:
        self.result.victims.append(Victim(level, name, why, freed))

    def _doubt(self, doubt: DoubtError) -> None:
        told = f"{doubt}; nothing there is deleted"
        if told not in self.result.doubts:
            self.result.doubts.append(told)


@contextlib.contextmanager
def _undurable() -> Iterator[None]:
    """What fails to be made durable inside ends this collection, and every other until a restart."""
    try:
        yield
    except HostError as error:
        raise UndurableError(f"{error}; nothing more is deleted until mirrord starts again") from error
