"""What a writer clears away before it begins: the leavings of runs that died. Downloads worth resuming stay."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.layout import CONTROL, CURRENT, LOCK, MARK, Layout, flat_name, generation_sequence, snapshot_sequence
from mirrord.store.snapshot import read_snapshot, snapshot_names, unpublished

_TEMPORARY = tuple(f".{name}." for name in (CONTROL, CURRENT, LOCK, MARK))

PARTIAL_LIFETIME = 7 * 24 * 3600
"""Seconds after which a partial download that nobody resumed goes."""


def sweep(layout: Layout) -> int:
    """Clear what dead runs left and give the highest sequence number in use (0 in an empty root).

    Only with the root's lock: whatever is in ``staging/`` then belongs to nobody. A generation is trusted because a
    snapshot names it, never because its directory exists: one that none names was never published, and goes.
    """
    for name in os.listdir(layout.root):
        if name.startswith(_TEMPORARY):
            durable.unlink(layout.root / name)
    for room in (layout.state, layout.status):
        for name in os.listdir(room):
            if name.startswith("."):  # a note that was being replaced; notes' own names begin otherwise
                durable.unlink(room / name)
    _empty_trash(layout)
    for entry in os.scandir(layout.staging):
        if entry.path not in {str(layout.trash), str(layout.quarantine)} and not _is_resumable(entry):
            durable.remove_tree(Path(entry.path))
    _empty_quarantine(layout)
    highest = max((snapshot_sequence(name) or 0 for name in snapshot_names(layout)), default=0)
    for name in unpublished(layout):  # a power cut may have torn them
        durable.rename(layout.snapshots / name, layout.trash / name)
    highest = max(highest, _clear_generations(layout, _named_generations(layout, snapshot_names(layout))))
    _empty_trash(layout)
    return highest


def _clear_generations(layout: Layout, published: set[tuple[str, str]] | None) -> int:
    """Trash every generation that is not ``published`` (None: nobody knows which are), and give the highest number."""
    highest = 0
    for flat in os.listdir(layout.generations):
        if not durable.is_directory(layout.generations / flat):
            continue  # a link could lead out of the root
        for name in os.listdir(layout.generations / flat):
            sequence = generation_sequence(name)
            if sequence is None:
                continue  # not ours: verify reports it
            highest = max(highest, sequence)
            if published is not None and (flat, name) not in published:
                durable.rename(layout.generations / flat / name, layout.trash / name)
    return highest


def _empty_quarantine(layout: Layout) -> None:
    """Remove damaged files that lay there long enough for somebody to look at; their ctime says since when."""
    if durable.is_directory(layout.quarantine):
        for entry in os.scandir(layout.quarantine):
            if time.time() - entry.stat(follow_symlinks=False).st_ctime > PARTIAL_LIFETIME:
                durable.remove_tree(Path(entry.path))


def _empty_trash(layout: Layout) -> None:
    for entry in os.scandir(layout.trash):
        durable.remove_tree(Path(entry.path))


def remove_partials(layout: Layout, keep: frozenset[str], *, only_expired: bool) -> None:
    """Remove partial downloads but those of the digests in ``keep``; ``only_expired``: only those of 7 days ago."""
    for entry in os.scandir(layout.staging):
        if not entry.name.endswith(".part") or entry.name.removesuffix(".part") in keep:
            continue
        if not only_expired or not _is_resumable(entry):
            durable.unlink(Path(entry.path), missing_ok=True)


def _is_resumable(entry: "os.DirEntry[str]") -> bool:
    if not entry.name.endswith(".part") or not entry.is_file(follow_symlinks=False):
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime < PARTIAL_LIFETIME


def _named_generations(layout: Layout, snapshots: Sequence[str]) -> set[tuple[str, str]] | None:
    """Every (flat name, generation) a snapshot names; None where one can't be read: then nothing is cleared."""
    named: set[tuple[str, str]] = set()
    for snapshot in snapshots:
        with contextlib.suppress(HostError):  # its links alone are what is served
            noted = read_snapshot(layout, snapshot).generations
            named.update((flat_name(repository), identity) for repository, identity in noted.items())
        directory = layout.snapshots / snapshot
        if not durable.is_directory(directory):
            return None
        try:
            for entry in os.scandir(directory):
                if entry.is_symlink():
                    named.add((entry.name, os.readlink(entry.path).rpartition("/")[2]))
        except OSError:
            return None
    return named
