"""What the collections of one process saw, so that the next one looks only at what is another by now.

All of it errs on one side: what is taken for unchanged is left as it is, so a change that goes unseen is garbage that
stays, until something else changes there or (in the pool) a day has passed. Nothing is deleted by what is remembered
here: of that every file was read and found true, and is the same file still (remembered.py).
"""

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from mirrord.oci.digest import Digest
from mirrord.store.garbage import Present, linked_generations
from mirrord.store.layout import Layout, flat_name
from mirrord.store.remembered import Identity, Remembered, identity_of
from mirrord.store.snapshot import Snapshot, read_snapshot, snapshot_names

_ENTRIES: Final = 50_000
"""Repositories of all snapshots together, digests of all generations, digests in all manifests: some 9 MB each."""
_OWN: Final = 6
"""Digests that weigh what is remembered of a manifest beside them: its path, its identity."""
_DAY: Final = 86_400.0
"""Seconds after which each room of the pool is looked into again: links to its files go without its changing."""


class Seen(Struct):
    """What was seen of one root."""

    layout: Layout
    snapshots: Remembered[Snapshot] = field(default_factory=lambda: Remembered(_ENTRIES, _entries))
    generations: Remembered[frozenset[str]] = field(default_factory=lambda: Remembered(0, _count))
    """What each names."""
    manifests: Remembered[Present] = field(default_factory=lambda: Remembered(0, _parts))
    told: object = None
    """What there was to tell when all of it was told last, and the notes that tell it."""
    stirs: int = 0
    """How often files came into the pool, or left it: how much there is has to be told anew."""
    _strays: Remembered[frozenset[tuple[str, str]]] = field(default_factory=lambda: Remembered(_ENTRIES, _count))
    _clean: dict[str, int] = field(default_factory=dict)
    """By repository, what it was (a hash) when a collection found nothing in it that may ever go as it is."""
    _rooms: dict[str, Identity] = field(default_factory=dict)
    """The pool's directories in which every file had other links."""
    _rooms_since: float = 0.0

    def lives_on(self) -> None:
        """A collection is over: should another come, what is read from now on need not be read again by then.

        Nothing comes after the one collection of a command: it would remember all of a large mirror for nobody.
        """
        self.generations.limit = self.manifests.limit = _ENTRIES

    def all_snapshots(self) -> tuple[Snapshot, ...]:
        """Every snapshot, oldest first. Raises HostError for one that can't be read."""
        return tuple(map(self.snapshot, snapshot_names(self.layout)))

    def snapshot(self, name: str) -> Snapshot:
        """One snapshot. Raises HostError where it can't be read."""
        path = f"{self.layout.snapshots}/{name}/_snapshot.json"
        return self.snapshots.of(partial(read_snapshot, self.layout, name), path)

    def generations_named(self, snapshot: Snapshot) -> Collection[tuple[str, str]]:
        """Each repository and generation that a snapshot names, by its document or by its links. Raises HostError."""
        directory = f"{self.layout.snapshots}/{snapshot.name}"
        noted = snapshot.generations.items()
        strays = self._strays.of(
            lambda: frozenset(linked_generations(self.layout, snapshot.name)) - noted,
            directory,
            f"{directory}/_snapshot.json",
        )
        return noted | strays if strays else noted

    def state_of(self, repository: str, kept: Mapping[str, set[str]]) -> int:
        """What a repository is, in short: its directories, its generations, and those that snapshots name."""
        try:
            generations = frozenset(os.listdir(self.layout.generations / flat_name(repository)))
        except OSError:
            generations = frozenset()
        content = self.layout.content / repository
        rooms = (identity_of(f"{content}/_manifests"), identity_of(f"{content}/_blobs"))
        return hash((rooms, generations, frozenset(kept.get(repository, ()))))

    def is_clean(self, repository: str, kept: Mapping[str, set[str]]) -> bool:
        """Whether a repository is what it was when nothing was found in it."""
        return repository in self._clean and self._clean[repository] == self.state_of(repository, kept)

    def found_clean(self, repository: str, state: int) -> None:
        """Nothing was found in a repository in that state."""
        self._clean[repository] = state

    def only(self, repositories: Collection[str]) -> None:
        """Forget every other repository."""
        self._clean = {name: state for name, state in self._clean.items() if name in repositories}

    def is_room_clean(self, room: str, now: float) -> bool:
        """Whether a directory of the pool is what it was when each of its files had other links, within a day."""
        if not 0 <= now - self._rooms_since < _DAY:
            self._rooms, self._rooms_since = {}, now
        return room in self._rooms and self._rooms[room] == identity_of(room)

    def found_room_clean(self, room: str, identity: Identity | None) -> None:
        """Each file of a directory of the pool had other links when that was so."""
        if identity is not None:
            self._rooms[room] = identity

    def deleted(self, path: Path) -> None:
        """What was at ``path`` (a snapshot, a generation, a manifest) is gone, and need not be remembered."""
        self.snapshots.forget(f"{path}/_snapshot.json")
        self._strays.forget(str(path))
        self.generations.forget(f"{path}/record.json")
        self.manifests.forget(str(path))

    def unlinked(self, digest: str) -> None:
        """A link to a file of the pool is gone."""
        self._rooms.pop(str(self.layout.pooled(Digest.parse(digest)).parent), None)


def _entries(snapshot: Snapshot) -> int:
    return 1 + len(snapshot.generations)


def _count(found: Collection[object]) -> int:
    return 1 + len(found)


def _parts(manifest: Present) -> int:
    return _OWN + len(manifest.blobs) + len(manifest.children)
