"""A publication: rebase the changes on what is served, build generations and a snapshot, and swap one symlink.

The caller holds the publish mutex. Until the rename over ``current`` readers see nothing; after it they see all.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.change import Change, rebased
from mirrord.store.generation import build_generation, generation_path, read_record
from mirrord.store.layout import CURRENT, Layout, flat_name
from mirrord.store.record import Record

SCHEMA = "mirrord.snapshot/1"


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did."""

    snapshot: str
    parent: str | None
    changed: tuple[str, ...]
    """Repositories with a new generation."""
    removed: tuple[str, ...]
    """Repositories that are no longer served."""
    repositories: int
    tags: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a publication was made."""

    run: str
    text: str


@dataclass(frozen=True, slots=True)
class _Next:
    """One repository's new record, None where it goes, and the generation it replaces."""

    name: str
    record: Record | None
    previous: tuple[str, Record] | None


def publish(layout: Layout, changes: Sequence[Change], sequence: int, reason: Reason) -> Publication | None:
    """Publish ``changes`` as snapshot number ``sequence``; None where they change nothing that is served.

    Raises HostError. Before the swap that means nothing happened; after it (the message says so) the publication is
    served, but a power cut might undo it.
    """
    serving = current_generations(layout)
    nexts = [found for change in changes if (found := _next(layout, serving, change)) is not None]
    if not nexts:
        return None
    try:
        publication = _build(layout, serving, nexts, sequence, reason)
    except HostError:
        _discard(layout, [each.name for each in nexts], sequence)
        raise
    _swap(layout, publication.snapshot, sequence)
    return publication


def _build(
    layout: Layout, serving: Mapping[str, str], nexts: Sequence[_Next], sequence: int, reason: Reason
) -> Publication:
    """Build the generations and the snapshot; on return all that it names is durable."""
    with durable.Barrier(layout.root) as barrier:
        built = {
            each.name: build_generation(layout, each.record, sequence, each.previous)
            for each in nexts
            if each.record is not None
        }
        removed = tuple(each.name for each in nexts if each.record is None)
        generations = {name: identity for name, identity in serving.items() if name not in removed} | built
        tags = _count_tags(layout, serving, nexts)
        published = datetime.now(UTC)
        name = f"{sequence:08d}-{published:%Y%m%dT%H%M%SZ}"
        parent = _parent(layout)
        document = {
            "schema": SCHEMA,
            "sequence": sequence,
            "published": published.isoformat(timespec="seconds"),
            "parent": parent,
            "reason": reason.text,
            "run": reason.run,
            "counts": {"repositories": len(generations), "tags": tags},
            "generations": generations,
        }
        _build_snapshot(layout, name, document, generations, built)
        barrier.wait()  # B3: all that the snapshot names is durable
    return Publication(name, parent, tuple(built), removed, len(generations), tags)


def _discard(layout: Layout, names: Sequence[str], sequence: int) -> None:
    """Remove what a failed publication built, as far as that works: no snapshot names it, the next start sweeps it."""
    mark = f"{sequence:08d}-"
    rooms = [layout.staging, layout.snapshots, *(layout.generations / flat_name(name) for name in names)]
    for room in rooms:
        with contextlib.suppress(OSError, HostError):
            for entry in os.listdir(room):
                if entry.startswith(mark) or f"_{mark}" in entry:
                    durable.remove_tree(room / entry)


def current_generations(layout: Layout) -> dict[str, str]:
    """Repository → generation of the served snapshot; empty before the first. Raises HostError for a damaged one."""
    try:
        document = json.loads((layout.current / "_snapshot.json").read_bytes())
        return {str(name): str(generation) for name, generation in document["generations"].items()}
    except FileNotFoundError as error:
        if os.path.lexists(layout.current):
            raise HostError(
                f"{layout.current} points to a snapshot that is gone; point it to one of snapshots/"
            ) from error
        return {}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise HostError(f"the served snapshot's _snapshot.json can't be read: {error}") from error


def _next(layout: Layout, serving: Mapping[str, str], change: Change) -> _Next | None:
    """What ``change`` makes of its repository; None where it changes nothing."""
    identity = serving.get(change.name)
    current = None if identity is None else read_record(layout, change.name, identity)
    record = rebased(current, change)
    if record == current:
        return None
    return _Next(change.name, record, None if identity is None or current is None else (identity, current))


def _count_tags(layout: Layout, serving: Mapping[str, str], nexts: Sequence[_Next]) -> int:
    """Tags of the new snapshot: the old count and the differences, so that it costs nothing for the rest."""
    before = 0
    if serving:
        document = json.loads((layout.current / "_snapshot.json").read_bytes())
        before = int(document["counts"]["tags"])
    gained = sum(len(each.record.tags) for each in nexts if each.record is not None)
    return before + gained - sum(len(each.previous[1].tags) for each in nexts if each.previous is not None)


def _parent(layout: Layout) -> str | None:
    try:
        return layout.current.readlink().name
    except FileNotFoundError:
        return None


def _build_snapshot(
    layout: Layout,
    name: str,
    document: Mapping[str, object],
    generations: Mapping[str, str],
    built: Mapping[str, str],
) -> None:
    staged = layout.staging / name
    durable.make_directory(staged)
    unchanged = [flat_name(repository) for repository in generations if repository not in built]
    if unchanged:
        durable.link_symlinks(unchanged, layout.current, staged)
    for repository, identity in built.items():
        durable.symlink(str(generation_path(layout, repository, identity)), staged / flat_name(repository))
    catalog = json.dumps({"repositories": sorted(generations)}, separators=(",", ":"))
    durable.write_file(staged / "_catalog.json", catalog.encode())
    durable.write_file(staged / "_snapshot.json", json.dumps(document, separators=(",", ":")).encode())
    durable.rename(staged, layout.snapshots / name)


def _swap(layout: Layout, name: str, sequence: int) -> None:
    temporary = layout.root / f".{CURRENT}.{sequence:08d}"
    durable.symlink(f"{layout.snapshots.name}/{name}", temporary)
    durable.rename(temporary, layout.current)
    try:
        durable.sync_directory(layout.root)  # B4: the swap itself
    except HostError as error:
        raise HostError(f"snapshot {name} is served, but a power cut may undo it: {error}") from error
