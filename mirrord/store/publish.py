"""A publication: rebase the changes on what is served, build generations and a snapshot, and swap one symlink.

The caller holds the publish mutex. Until the rename over ``current`` readers see nothing; after it they see all.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.reference import is_follower
from mirrord.store import durable
from mirrord.store.blocks import Blocks, read_blocks
from mirrord.store.change import Brake, Change, rebased
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


class _Next(Struct, frozen=True):
    """One repository's new record, None where it goes, and the generation it replaces."""

    name: str
    record: Record | None
    previous: tuple[str, Record] | None

    @property
    def dropped(self) -> frozenset[str]:
        """Tags it loses."""
        before = self.previous[1].tags.keys() if self.previous else frozenset[str]()
        return frozenset(before - (self.record.tags.keys() if self.record else set()))


def served_snapshot(layout: Layout) -> Snapshot | None:
    """The served snapshot; None before the first. Raises HostError where it is gone or damaged."""
    name = served_name(layout)
    return None if name is None else read_snapshot(layout, name)


def publish(
    layout: Layout, changes: Sequence[Change], turn: Turn, reason: Reason, brake: Brake | None = None
) -> Publication | None:
    """Publish ``changes`` as the snapshot of that ``turn``; None where they change nothing that is served.

    Raises BrakeError where ``brake`` stops it, and HostError; then nothing happened, but for an UndurableError.
    """
    serving, blocks = served_snapshot(layout), read_blocks(layout)
    generations = serving.generations if serving else {}
    nexts = [found for change in changes if (found := _next(layout, generations, change, blocks)) is not None]
    if not nexts:
        return None
    if brake is not None:
        brake.check({each.name: each.dropped for each in nexts}, lambda: _images_held(layout, generations))
    removed = tuple(each.name for each in nexts if each.record is None)
    kept = {name: identity for name, identity in generations.items() if name not in removed}
    _clear_unpublished(layout)
    with _discarding(layout, [each.name for each in nexts], turn.number), durable.Barrier(layout.root) as barrier:
        built = {
            each.name: build_generation(layout, each.record, turn.number, each.previous)
            for each in nexts
            if each.record is not None
        }
        gained = sum(len(each.record.tags) for each in nexts if each.record is not None)
        lost = sum(len(each.previous[1].tags) for each in nexts if each.previous is not None)
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


def _next(layout: Layout, serving: Mapping[str, str], change: Change, blocks: Blocks) -> _Next | None:
    """What ``change`` makes of its repository, without what is blocked; None where it changes nothing."""
    identity = serving.get(change.name)
    current = None if identity is None else read_record(layout, change.name, identity)
    record = blocks.leave(rebased(current, change))
    if record == current:
        return None
    return _Next(change.name, record, None if identity is None or current is None else (identity, current))
