"""What is told of snapshots: why each was published, and what it changed against the one before."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mirrord.errors import HostError
from mirrord.oci.reference import is_follower
from mirrord.store.history import TagChange, each_difference
from mirrord.store.hold import Hold
from mirrord.store.seen import Seen
from mirrord.store.snapshot import Snapshot
from mirrord.store.usage import Usage

SCHEMA: Final = "mirrord.snapshots/1"
TOLD: Final = 200
"""Snapshots that are told of, the newest ones."""
CHANGES: Final = 50
"""Tags that are named of those a snapshot changed; all are counted."""
_SHOWN: Final = 500
"""Characters of a reason."""

Entry = Mapping[str, Any]


def snapshot_entry(seen: Seen, snapshot: Snapshot, on_disk: frozenset[str]) -> Entry:
    """What is told of one snapshot, and stays so. Blocks: reads the records of what it changed."""
    against = snapshot.parent if snapshot.parent in on_disk else None
    return {
        "name": snapshot.name,
        "sequence": snapshot.sequence,
        "published": snapshot.published.isoformat(timespec="seconds"),
        "reason": snapshot.reason.text[:_SHOWN],
        "run": snapshot.reason.run,
        "repositories": len(snapshot.generations),
        "tags": snapshot.tags,
        "against": against,
        **_changed(seen, snapshot, against),
    }


def _changed(seen: Seen, snapshot: Snapshot, against: str | None) -> Entry:
    """The changes; none, with the reason, where they can't be told."""
    if against is None and snapshot.parent is not None:
        return {"changes": None, "counts": None, "problem": "the snapshot before it is no longer kept"}
    changes: list[TagChange] = []
    counts = {"added": 0, "removed": 0, "moved": 0}
    try:
        before = seen.snapshot(against).generations if against else {}
        for each in each_difference(seen.layout, before, snapshot.generations):
            if not is_follower(each.tag):
                counts["added" if each.old is None else "removed" if each.new is None else "moved"] += 1
                if len(changes) < CHANGES:
                    changes.append(each)
    except HostError as error:
        return {"changes": None, "counts": None, "problem": str(error)[:_SHOWN]}
    return {"changes": [each.document() for each in changes], "counts": counts, "problem": None}


def snapshots_document(
    entries: Sequence[Entry], served: str, pins: frozenset[str], hold: Hold | None, disk: Mapping[str, int]
) -> Entry:
    """All that is told of snapshots; ``entries`` newest first."""
    held = hold and {"snapshot": hold.snapshot, "repositories": dict(hold.repositories), "since": hold.since}
    told = [{**each, "served": each["name"] == served, "pinned": each["name"] in pins} for each in entries]
    return {"schema": SCHEMA, "served": served, "hold": held, "disk": disk, "snapshots": told}


def disk_document(usage: Usage, named: int) -> Mapping[str, int]:
    """How the disk is used: what is stored, and what the tags served now would take if each were kept for itself."""
    return {
        "stored": usage.bytes,
        "files": usage.files,
        "named": named,
        "saved": max(0, named - usage.bytes),
    }
