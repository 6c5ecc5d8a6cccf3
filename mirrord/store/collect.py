"""Garbage collection: snapshots, generations, manifests, blobs, the pool, each swept only after the level above.

It rests on proof: any doubt keeps everything of that repository, and is told. A kill at any point leaves garbage,
never a hole; the next start clears the trash.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from mirrord.errors import HostError
from mirrord.oci.manifest import Manifest
from mirrord.store import durable
from mirrord.store.garbage import (
    DoubtError,
    generations_on_disk,
    manifests_present,
    named_digests,
    repositories_on_disk,
    unnamed_blobs,
    unnamed_manifests,
)
from mirrord.store.history import all_snapshots
from mirrord.store.hold import read_hold, read_pins
from mirrord.store.layout import Layout, generation_sequence
from mirrord.store.retention import Retention, Why, kept
from mirrord.store.snapshot import Snapshot, served_name
from mirrord.store.tombstones import Tombstones


class Level(StrEnum):
    """What is collected, in the order in which it is."""

    SNAPSHOT = "snapshot"
    GENERATION = "generation"
    MANIFEST = "manifest"
    BLOB = "blob"
    POOL = "pool file"


@dataclass(frozen=True, slots=True)
class Victim:
    """One thing that goes."""

    level: Level
    name: str
    why: str
    freed: int
    """Bytes of disk that it frees by itself: a link frees none."""


@dataclass(slots=True)
class Collected:
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


@dataclass(frozen=True, slots=True)
class Collector:
    """One collection of one root. The caller holds the lock of whatever a method is about."""

    layout: Layout
    retention: Retention
    is_dry: bool
    result: Collected
    kept_generations: dict[str, set[str]] = field(default_factory=dict)
    """By repository, those that a snapshot that stays names."""

    def snapshots(self) -> None:
        """Sweep snapshots, and the generations that none of those left names (under the publish mutex).

        Raises HostError where no valid snapshot is served, or any can't be read: then nothing is collected at all.
        """
        served = served_name(self.layout)
        found = all_snapshots(self.layout)
        if served is None or not found:
            raise HostError(f"{self.layout.root} serves no snapshot: nothing is collected")
        stay = kept(found, served, self._protected(), self.retention, datetime.now(UTC))
        left = [snapshot for snapshot in found if snapshot.name in stay]
        for snapshot in left:
            for name, identity in snapshot.generations.items():
                self.kept_generations.setdefault(name, set()).add(identity)
        trashed = [self._trash_snapshot(snapshot) for snapshot in found if snapshot.name not in stay]
        trashed += list(self._trash_generations())
        if any(trashed):
            self._barrier(self.layout.root)

    def _protected(self) -> dict[str, Why]:
        hold = read_hold(self.layout)
        return dict.fromkeys(read_pins(self.layout), Why.PINNED) | ({hold.snapshot: Why.HELD} if hold else {})

    def _trash_snapshot(self, snapshot: Snapshot) -> bool:
        self._record(Level.SNAPSHOT, snapshot.name, "no rule of the retention keeps it", 0)
        return self._trash(self.layout.snapshots / snapshot.name)

    def _trash_generations(self) -> Iterator[bool]:
        for flat in sorted(os.listdir(self.layout.generations)):
            room = self.layout.generations / flat
            repository = flat.replace("!", "/")
            for identity in sorted(os.listdir(room)):
                if generation_sequence(identity) is None:
                    self.result.doubts.append(f"{room / identity} is none of mirrord's; it stays")
                elif identity not in self.kept_generations.get(repository, set()):
                    self._record(Level.GENERATION, f"{repository} {identity}", "no snapshot names it", 0)
                    yield self._trash(room / identity)
            if not self.is_dry:
                durable.remove_empty_directory(room)

    def _trash(self, path: Path) -> bool:
        if not self.is_dry:
            durable.rename(path, self.layout.trash / path.name)
        return not self.is_dry

    def empty_trash(self) -> None:
        """Remove what was renamed into the trash; may take long, and needs no lock."""
        for entry in os.scandir(self.layout.trash):
            durable.remove_tree(Path(entry.path))

    def repository(self, name: str, tombstones: Tombstones) -> None:
        """Sweep one repository's manifests, then its blobs (under its lock). Any doubt keeps all of it, and is told."""
        try:
            self._repository(name, tombstones, time.time())
        except DoubtError as doubt:
            self.result.doubts.append(f"{doubt}; nothing of it was deleted")

    def _repository(self, name: str, tombstones: Tombstones, now: float) -> None:
        generations = generations_on_disk(self.layout, name)
        if self.is_dry:
            generations &= self.kept_generations.get(name, set())
        present = manifests_present(self.layout, name)
        unnamed = unnamed_manifests(present, named_digests(self.layout, name, generations))
        tombstones.note(name, (path.name for path in unnamed), now)
        due = [path for path in unnamed if tombstones.is_due(name, path.name, now, self.retention.patience)]
        self.result.waiting += len(unnamed) - len(due)
        left: list[Manifest] = [manifest for path, manifest in present.items() if path not in due]
        blobs = unnamed_blobs(self.layout, name, left)
        for path in due:
            self._record(Level.MANIFEST, f"{name} {path.name}", "no tag names it, and its grace is over", 0)
            self._unlink(path)
        if due and not self.is_dry:
            self._barrier(self.layout.manifests(name))
        for path in blobs:
            self._record(Level.BLOB, f"{name} {path.name}", "no manifest here names it", 0)
            self._unlink(path)
        if blobs and not self.is_dry:
            self._barrier(self.layout.blobs(name))

    def _unlink(self, path: Path) -> None:
        if not self.is_dry:
            durable.unlink(path, missing_ok=True)

    def prune(self, name: str) -> None:
        """Remove a repository's empty directories, and empty ones above them."""
        if self.is_dry:
            return
        for room in (self.layout.blobs(name), self.layout.manifests(name)):
            durable.remove_empty_directory(room)
        directory = self.layout.content / name
        while directory != self.layout.content and durable.remove_empty_directory(directory):
            directory = directory.parent

    def pool(self) -> None:
        """Sweep pool files that nothing links to; their ctime is when the last link went: the grace begins then."""
        now = time.time()
        for algorithm in ("sha256", "sha512"):
            for directory, _, names in os.walk(self.layout.root / "pool" / algorithm):
                for name in names:
                    path = Path(directory, name)
                    status = os.lstat(path)
                    if status.st_nlink == 1 and now - status.st_ctime > self.retention.patience:
                        size = status.st_blocks * 512
                        self._record(Level.POOL, f"{algorithm}:{name}", "no repository has it", size)
                        self._unlink(path)

    def repositories(self) -> tuple[str, ...]:
        """Every repository with content."""
        return repositories_on_disk(self.layout)

    def _record(self, level: Level, name: str, why: str, freed: int) -> None:
        self.result.victims.append(Victim(level, name, why, freed))

    def _barrier(self, directory: Path) -> None:
        if directory == self.layout.root:
            with durable.Barrier(directory) as barrier:
                barrier.wait()
        else:
            durable.sync_directory(directory)
