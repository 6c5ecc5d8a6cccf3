"""Going back: what serving an earlier snapshot again means, whether all of it is still there, and doing it."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from mirrord.errors import ConfigError, HostError
from mirrord.oci.digest import Digest
from mirrord.store.blocks import read_blocks
from mirrord.store.generation import read_record
from mirrord.store.history import TagChange, changed_names, compared, digests_of, find_snapshot, served
from mirrord.store.hold import NO_HOLD, read_hold, release_hold, write_hold
from mirrord.store.layout import Layout, flat_name, parse_manifest_name
from mirrord.store.publish import Publication, republish
from mirrord.store.record import Record
from mirrord.store.snapshot import Reason, Snapshot, Turn, served_name


class Rollback(Struct, frozen=True):
    """What a rollback would serve."""

    target: Snapshot
    repository: str | None
    """None is everything."""
    generations: Mapping[str, str]
    tags: int
    """All that the generations have, whether or not it is blocked meanwhile."""
    changes: Sequence[TagChange]
    """What readers will see change."""


def plan_rollback(layout: Layout, target: Snapshot, repository: str | None) -> Rollback:
    """What serving ``target`` again (or one repository of it) means, checked to be there whole.

    What is served now may be damaged: that is what one goes back for. Raises ConfigError where the target does not have
    the repository, HostError where some of the target is damaged or gone.
    """
    now, blocks = served(layout), read_blocks(layout)
    generations = dict(target.generations)
    if repository is not None:
        if repository not in target.generations and repository not in now.generations:
            raise ConfigError(f"neither snapshot {target.name} nor the served one has a repository {repository}")
        generations = {name: identity for name, identity in now.generations.items() if name != repository}
        if repository in target.generations:
            generations[repository] = target.generations[repository]
    changes: list[TagChange] = []
    tags = now.tags
    for name in changed_names(now.generations, generations):
        before = _seen(layout, name, now.generations.get(name))
        record = read_record(layout, name, generations[name]) if name in generations else None
        left = blocks.leave(record)
        if left is not None:
            _require_whole(layout, left, target)
        tags += (len(record.tags) if record else 0) - len(before)
        changes += compared(name, before, digests_of(left) if left else {})
    return Rollback(target, repository, generations, tags, changes)


def roll_back(layout: Layout, target: str, repository: str | None, turn: Turn) -> Publication | None:
    """Serve snapshot ``target`` again (or one repository of it) when it is its ``turn``, and hold it there.

    None where it is what is served. The caller holds the publish mutex. Raises ConfigError, HostError.
    """
    plan = plan_rollback(layout, find_snapshot(layout, target), repository)
    reason = Reason("", f"rollback of {repository or 'everything'} to {plan.target.name}")
    with _holding(layout, plan.target.name, repository):
        return republish(layout, plan.generations, plan.tags, turn, reason)


@contextlib.contextmanager
def _holding(layout: Layout, snapshot: str, repository: str | None) -> Iterator[None]:
    """Hold ``repository`` at ``snapshot``; where that or the block fails, and nothing else is served, as before."""
    before, serving = read_hold(layout), served_name(layout)
    try:
        write_hold(layout, (before or NO_HOLD).adding(snapshot, repository))
        yield
    except HostError:
        with contextlib.suppress(HostError):  # the next run tells of a hold that stays
            if served_name(layout) == serving:
                if before is None:
                    release_hold(layout)
                else:
                    write_hold(layout, before)
        raise


def _seen(layout: Layout, name: str, identity: str | None) -> Mapping[str, Digest]:
    """The tags that readers see of a generation, which may be damaged: its links are what they follow."""
    tags = layout.generations / flat_name(name) / (identity or "") / "tags"
    try:
        targets = {tag: parse_manifest_name(os.readlink(tags / tag)) for tag in os.listdir(tags)} if identity else {}
    except OSError:
        return {}
    return {tag: target[0] for tag, target in targets.items() if target is not None}


def _require_whole(layout: Layout, record: Record, target: Snapshot) -> None:
    """Raise HostError where content lacks a manifest that ``record`` names: a manifest that is there is complete."""
    manifests = layout.manifests(record.name)
    try:
        found = {parsed[0] for name in os.listdir(manifests) if (parsed := parse_manifest_name(name)) is not None}
    except OSError:
        found = set()
    for what, digest in _named(record):
        if digest not in found:
            raise HostError(
                f"snapshot {target.name} is not whole any more: {what} names {digest}, and {manifests} does not have "
                "it; go back to another snapshot, or only for other repositories"
            )


def _named(record: Record) -> Sequence[tuple[str, Digest]]:
    held = [(f"{record.name}:{tag}", each) for tag, each in record.tags.items()]
    held += [(f"{record.name}@{digest}", each) for digest, each in record.digests.items()]
    named = [(what, digest) for what, each in held for digest in (each.digest, *each.children)]
    listed = [(subject, entry["digest"]) for subject, entries in record.referrers.items() for entry in entries]
    return named + [(f"{record.name}'s referrers of {subject}", Digest.parse(digest)) for subject, digest in listed]
