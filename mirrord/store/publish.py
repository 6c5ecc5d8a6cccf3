"""A publication: rebase the changes on what is served, build generations and a snapshot, and swap one symlink.

The caller holds the publish mutex. Until the rename over ``current`` readers see nothing; after it they see all.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.reference import is_follower
from mirrord.store import durable
from mirrord.store.blocks import Blocks, read_blocks
from mirrord.store.change import Brake, Change, PackedChange, rebased
from mirrord.store.failures import host_errors
from mirrord.store.generation import build_generation, read_record
from mirrord.store.layout import Layout, flat_name, snapshot_sequence
from mirrord.store.record import Record
from mirrord.store.snapshot import (
    Reason,
    Snapshot,
    Turn,
    build_snapshot,
    read_snapshot,
    served_name,
    snapshot_name,
    swap,
    unpublished,
)


class Publication(Struct, frozen=True):
    """What one publication did."""

    snapshot: str
    changed: tuple[str, ...]
    """Repositories with another generation than before."""
    removed: tuple[str, ...]
    """Repositories that are no longer served."""
    repositories: int
    tags: int


_TAGS_KEPT: Final = 500
"""Tags of records, before and after, above which the next ones are read again when their turn to be built comes."""


class _Next(Struct, frozen=True):
    """One repository's new record, None where it goes, and the generation it replaces."""

    name: str
    record: Record | None
    previous: tuple[str, Record] | None

    @property
    def tags(self) -> tuple[int, int]:
        """How many tags it had, and will have."""
        return len(self.previous[1].tags) if self.previous else 0, len(self.record.tags) if self.record else 0

    @property
    def dropped(self) -> frozenset[str]:
        """Tags it loses."""
        before = self.previous[1].tags.keys() if self.previous else frozenset[str]()
        return frozenset(before - (self.record.tags.keys() if self.record else set()))


class _Coming(Struct, frozen=True):
    """One repository that becomes another: what is known of it while the records of others are in memory."""

    change: Change | PackedChange
    goes: bool
    tags: tuple[int, int]
    """Before, and after."""
    dropped: frozenset[str]
    kept: _Next | None
    """All of it, where that is little."""


class _Base(Struct, frozen=True):
    """What a publication goes on from."""

    layout: Layout
    generations: Mapping[str, str]
    blocks: Blocks

    def next(self, change: Change | PackedChange) -> _Next | None:
        """What ``change`` makes of its repository, without what is blocked; None where it changes nothing."""
        identity = self.generations.get(change.name)
        current = None if identity is None else read_record(self.layout, change.name, identity)
        record = self.blocks.leave(rebased(current, change.opened()))
        if record == current:
            return None
        return _Next(change.name, record, None if identity is None or current is None else (identity, current))

    def coming(self, changes: Sequence[Change | PackedChange]) -> list[_Coming]:
        """The repositories that become others; of few tags all is kept, of more only the counts."""
        found: list[_Coming] = []
        in_memory = 0
        for change in changes:
            if (each := self.next(change)) is None:
                continue
            in_memory += sum(each.tags)
            kept = each if in_memory <= _TAGS_KEPT else None
            found.append(_Coming(change, each.record is None, each.tags, each.dropped, kept))
        return found

    def build(self, coming: Sequence[_Coming], sequence: int) -> dict[str, str]:
        """Build the generation of each that stays, and give their ids."""
        built: dict[str, str] = {}
        for each in coming:
            made = None if each.goes else each.kept or self.next(each.change)
            if made is not None and made.record is not None:
                built[made.name] = build_generation(self.layout, made.record, sequence, made.previous)
        return built


def served_snapshot(layout: Layout) -> Snapshot | None:
    """The served snapshot; None before the first. Raises HostError where it is gone or damaged."""
    name = served_name(layout)
    return None if name is None else read_snapshot(layout, name)


def publish(
    layout: Layout, changes: Sequence[Change | PackedChange], turn: Turn, reason: Reason, brake: Brake | None = None
) -> Publication | None:
    """Publish ``changes`` as the snapshot of that ``turn``; None where they change nothing that is served.

    Raises BrakeError where ``brake`` stops it, and HostError; then nothing happened, but for an UndurableError.
    """
    serving = served_snapshot(layout)
    generations = serving.generations if serving else {}
    base = _Base(layout, generations, read_blocks(layout))
    coming = base.coming(changes)
    if not coming:
        return None
    if brake is not None:
        dropped = {each.change.name: each.dropped for each in coming}
        brake.check(dropped, lambda: _images_held(layout, generations))
    removed = tuple(each.change.name for each in coming if each.goes)
    kept = {name: identity for name, identity in generations.items() if name not in removed}
    _clear_unpublished(layout)
    names = [each.change.name for each in coming]
    with _discarding(layout, names, turn.number), durable.Barrier(layout.root) as barrier:
        built = base.build(coming, turn.number)
        lost, gained = (sum(each.tags[which] for each in coming) for which in (0, 1))
        tags = (serving.tags if serving else 0) + gained - lost
        snapshot = _snapshot(turn, reason, serving, kept | built, tags)
        build_snapshot(layout, snapshot, generations)
        barrier.wait()  # B3: all that the snapshot names is durable
        swap(layout, snapshot)
    return Publication(snapshot.name, tuple(built), removed, len(snapshot.generations), snapshot.tags)


def republish(
    layout: Layout, generations: Mapping[str, str], tags: int, turn: Turn, reason: Reason
) -> Publication | None:
    """Serve these ``generations``, all of which are on disk, as a new snapshot, without what is blocked meanwhile.

    None where they are what is served. Raises HostError.
    """
    serving, blocks = served_snapshot(layout), read_blocks(layout)
    before = serving.generations if serving else {}
    if dict(before) == dict(generations):
        return None
    final = dict(generations)
    _clear_unpublished(layout)
    with _discarding(layout, list(generations), turn.number), durable.Barrier(layout.root) as barrier:
        for name, identity in generations.items() if blocks.entries else ():
            record = read_record(layout, name, identity)
            left = blocks.leave(record)
            if left != record:
                tags -= len(record.tags) - len(left.tags if left else ())
                del final[name]
                if left is not None:
                    final[name] = build_generation(layout, left, turn.number, (identity, record))
        snapshot = _snapshot(turn, reason, serving, final, tags)
        build_snapshot(layout, snapshot, before)
        barrier.wait()
        swap(layout, snapshot)
    changed = tuple(name for name, identity in final.items() if before.get(name) != identity)
    removed = tuple(name for name in before if name not in final)
    return Publication(snapshot.name, changed, removed, len(final), tags)


def _images_held(layout: Layout, generations: Mapping[str, str]) -> int:
    """The tags that ``generations`` serve, without signatures and the like."""
    with host_errors("count the tags of", layout.generations):
        rooms = [layout.generations / flat_name(name) / identity / "tags" for name, identity in generations.items()]
        return sum(not is_follower(tag) for room in rooms for tag in os.listdir(room))


def _snapshot(
    turn: Turn, reason: Reason, serving: Snapshot | None, generations: Mapping[str, str], tags: int
) -> Snapshot:
    parent = serving.name if serving else None
    return Snapshot(snapshot_name(turn.number, turn.at), turn.number, turn.at, parent, reason, generations, tags)


@contextlib.contextmanager
def _discarding(layout: Layout, names: Sequence[str], sequence: int) -> Iterator[None]:
    """Remove what a failed publication built, unless it is served, and as far as that works: the next start sweeps."""
    try:
        yield
    except HostError:
        if _may_be_served(layout, sequence):
            raise
        mark = f"{sequence:08d}-"
        rooms = [layout.staging, layout.snapshots, *(layout.generations / flat_name(name) for name in names)]
        for room in rooms:
            with contextlib.suppress(OSError, HostError):
                for entry in os.listdir(room):
                    if entry.startswith(mark) or f"_{mark}" in entry:
                        durable.remove_tree(room / entry)
        raise


def _clear_unpublished(layout: Layout) -> None:
    """Remove what an earlier publication left that failed, and whose discarding failed: the history would show it.

    Raises HostError.
    """
    for name in unpublished(layout):
        durable.rename(layout.snapshots / name, layout.trash / name)
        durable.remove_tree(layout.trash / name)


def _may_be_served(layout: Layout, sequence: int) -> bool:
    """Whether ``current`` names this snapshot (a rename may have worked though it failed), or can't be read."""
    try:
        return snapshot_sequence(os.readlink(layout.current).rpartition("/")[2]) == sequence
    except FileNotFoundError:
        return False
    except OSError:
        return True
