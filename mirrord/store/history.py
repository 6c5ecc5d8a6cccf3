"""The snapshots of a root: what they are, how two of them differ, and which one a person means."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mirrord.errors import ConfigError
from mirrord.oci.digest import Digest
from mirrord.store.generation import read_record
from mirrord.store.hold import read_hold
from mirrord.store.layout import Layout, snapshot_sequence
from mirrord.store.record import Record
from mirrord.store.snapshot import Snapshot, read_snapshot, served_name, snapshot_names

_DIGITS = 20


class TagChange(Struct, frozen=True):
    """One tag that differs between two snapshots: added (no old), removed (no new), or moved."""

    repository: str
    tag: str
    old: Digest | None
    new: Digest | None

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "repository": self.repository,
            "tag": self.tag,
            "old": str(self.old) if self.old else None,
            "new": str(self.new) if self.new else None,
        }


def all_snapshots(layout: Layout) -> tuple[Snapshot, ...]:
    """Every snapshot, oldest first. Raises HostError for one that can't be read."""
    return tuple(read_snapshot(layout, name) for name in snapshot_names(layout))


def find_snapshot(layout: Layout, text: str) -> Snapshot:
    """The snapshot that ``text`` means: its name or its number. Raises ConfigError where there is none."""
    number = int(text) if text.isdecimal() and len(text) <= _DIGITS else None
    for name in snapshot_names(layout):
        if text == name or number == snapshot_sequence(name):
            return read_snapshot(layout, name)
    raise ConfigError(f"there is no snapshot {text}; `mirrord snapshots list` shows those there are")


def served(layout: Layout) -> Snapshot:
    """The served snapshot. Raises ConfigError before the first publication."""
    name = served_name(layout)
    if name is None:
        raise ConfigError(f"{layout.root} serves nothing yet: nothing was published")
    return read_snapshot(layout, name)


def parent_of(layout: Layout, snapshot: Snapshot) -> Snapshot:
    """The snapshot that was served before ``snapshot``. Raises ConfigError where that is no longer there."""
    if snapshot.parent is None or snapshot.parent not in snapshot_names(layout):
        raise ConfigError(f"nothing is left from before snapshot {snapshot.name}; name one: mirrord snapshots list")
    return read_snapshot(layout, snapshot.parent)


def one_before(layout: Layout) -> Snapshot:
    """What a rollback goes back to that names no snapshot: the one before the served.

    Where a rollback of everything holds, it is the one before what *that* went back to: a second one goes on backwards,
    never forwards again to what was rolled back. Raises ConfigError where there is none.
    """
    hold = read_hold(layout)
    if hold is not None and hold.snapshot is not None:
        return parent_of(layout, find_snapshot(layout, hold.snapshot))
    return parent_of(layout, served(layout))


def differences(layout: Layout, old: Mapping[str, str], new: Mapping[str, str]) -> Sequence[TagChange]:
    """The tags that differ between two maps of repository → generation, sorted. Raises HostError."""
    return list(each_difference(layout, old, new))


def each_difference(layout: Layout, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[TagChange]:
    """The same one after the other: the first snapshot of a large mirror differs from none in all that there is."""
    for name in changed_names(old, new):
        before, after = (_tags(layout, name, each.get(name)) for each in (old, new))
        yield from compared(name, before, after)


def changed_names(old: Mapping[str, str], new: Mapping[str, str]) -> Sequence[str]:
    """The repositories that differ between two maps of repository → generation, sorted."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def compared(name: str, before: Mapping[str, Digest], after: Mapping[str, Digest]) -> Sequence[TagChange]:
    """The tags of a repository that differ between two maps of tag → digest, sorted."""
    tags = sorted(tag for tag in before.keys() | after.keys() if before.get(tag) != after.get(tag))
    return [TagChange(name, tag, before.get(tag), after.get(tag)) for tag in tags]


def _tags(layout: Layout, name: str, identity: str | None) -> Mapping[str, Digest]:
    if identity is None:
        return {}
    return digests_of(read_record(layout, name, identity))


def digests_of(record: Record) -> Mapping[str, Digest]:
    """What each tag of a record names."""
    return {tag: held.digest for tag, held in record.tags.items()}


class Moment(Struct, frozen=True):
    """What a tag named from one snapshot on; no digest: it was not served."""

    snapshot: Snapshot
    digest: Digest | None


def tag_history(layout: Layout, repository: str, tag: str) -> Sequence[Moment]:
    """What a tag named over the snapshots on disk, newest first: a moment for each change. Raises HostError."""
    moments: list[Moment] = []
    known: dict[str, Digest | None] = {}
    for snapshot in all_snapshots(layout):
        identity = snapshot.generations.get(repository)
        digest = None
        if identity is not None:
            if identity not in known:
                known[identity] = _tags(layout, repository, identity).get(tag)
            digest = known[identity]
        if digest != (moments[-1].digest if moments else None):
            moments.append(Moment(snapshot, digest))
    return moments[::-1]
