"""The snapshots of a root: what they are, how two of them differ, and which one a person means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mirrord.errors import ConfigError
from mirrord.oci.digest import Digest
from mirrord.store.generation import read_record
from mirrord.store.layout import Layout, snapshot_sequence
from mirrord.store.record import Record
from mirrord.store.snapshot import Snapshot, read_snapshot, served_name, snapshot_names


@dataclass(frozen=True, slots=True)
class TagChange:
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
    for name in snapshot_names(layout):
        if text == name or (text.isdigit() and int(text) == snapshot_sequence(name)):
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


def differences(layout: Layout, old: Mapping[str, str], new: Mapping[str, str]) -> Sequence[TagChange]:
    """The tags that differ between two maps of repository → generation, sorted. Raises HostError."""
    changes: list[TagChange] = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            before, after = (_tags(layout, name, each.get(name)) for each in (old, new))
            changes += [
                TagChange(name, tag, before.get(tag), after.get(tag))
                for tag in sorted(before.keys() | after.keys())
                if before.get(tag) != after.get(tag)
            ]
    return changes


def _tags(layout: Layout, name: str, identity: str | None) -> Mapping[str, Digest]:
    if identity is None:
        return {}
    record: Record = read_record(layout, name, identity)
    return {tag: held.digest for tag, held in record.tags.items()}


@dataclass(frozen=True, slots=True)
class Moment:
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


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback would serve."""

    target: Snapshot
    repository: str | None
    """None is everything."""
    generations: Mapping[str, str]
    tags: int
    changes: Sequence[TagChange]


def plan_rollback(layout: Layout, target: Snapshot, repository: str | None) -> Rollback:
    """What serving ``target`` again (or one repository of it) means, checked to be there whole.

    Raises ConfigError where the target does not have the repository, HostError where some of it is damaged or gone.
    """
    now = served(layout)
    if repository is None:
        generations = dict(target.generations)
    else:
        if repository not in target.generations and repository not in now.generations:
            raise ConfigError(f"neither snapshot {target.name} nor the served one has a repository {repository}")
        generations = {name: identity for name, identity in now.generations.items() if name != repository}
        if repository in target.generations:
            generations[repository] = target.generations[repository]
    changes = differences(layout, now.generations, generations)
    tags = now.tags + sum((each.new is not None) - (each.old is not None) for each in changes)
    return Rollback(target, repository, generations, tags, changes)
