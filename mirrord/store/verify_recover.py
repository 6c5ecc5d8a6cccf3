"""A generation whose record is damaged: proved from its neighbours, else read off its tags, else given up for an older.

Only what is served is read off or given up: history that can't be proved stays as it is, and is told.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from mirrord.errors import InvalidReferenceError, MirrordError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, Manifest, read_platform
from mirrord.oci.reference import Repository, is_tag
from mirrord.store import durable
from mirrord.store.content import read_manifest
from mirrord.store.generation import build_generation, referrers_document
from mirrord.store.layout import Layout, flat_name, generation_sequence, parse_manifest_name, tag_target
from mirrord.store.publish import Publication, republish, served_snapshot
from mirrord.store.reading import MAX_RECORD, read_file
from mirrord.store.record import Held, Record
from mirrord.store.snapshot import Reason, Turn
from mirrord.store.verify_history import is_of, read_history, true_record

_MAX_CONFIG = 4 << 20


def count_tags(layout: Layout, generations: Mapping[str, str]) -> int:
    """How many tags these generations serve; one that can't be read counts none."""
    records = (true_record(layout, repository, identity) for repository, identity in generations.items())
    return sum(len(record.tags) for record in records if record)


def neighbours(layout: Layout, repository: str, identity: str) -> tuple[Record, ...]:
    """The records of a repository's other generations, those nearest in time first."""
    here = generation_sequence(identity) or 0
    named = read_history(layout).named.get(repository, frozenset()) - {identity}
    by_distance = sorted(named, key=lambda other: abs((generation_sequence(other) or 0) - here))
    records = (true_record(layout, repository, other) for other in by_distance)
    return tuple(record for record in records if record is not None)


def upstreams_of(layout: Layout, repository: str) -> tuple[Repository, ...]:
    """Where a repository came from: as its generations have it, the served one's first; else as its name says it."""
    history = read_history(layout)
    served = history.served.get(repository, "")
    named = sorted(history.named.get(repository, ()), key=lambda each: (each == served, generation_sequence(each)))
    records = (true_record(layout, repository, identity) for identity in reversed(named))
    found = tuple(dict.fromkeys(record.upstream for record in records if record))
    if found:
        return found
    try:
        return (Repository.parse(repository),)
    except InvalidReferenceError:
        return ()


def linked_tags(layout: Layout, repository: str, identity: str) -> Mapping[str, tuple[Digest, Kind]]:
    """What each tag's link of a generation names; links that are none of mirrord's are left out."""
    room = layout.generations / flat_name(repository) / identity / "tags"
    found: dict[str, tuple[Digest, Kind]] = {}
    for tag in os.listdir(room) if durable.is_directory(room) else ():
        if is_tag(tag) and (room / tag).is_symlink():
            target = os.readlink(room / tag)
            named = parse_manifest_name(target)
            if named is not None and target == tag_target(repository, *named):
                found[tag] = named
    return found


def proved_record(layout: Layout, repository: str, identity: str) -> Record | None:
    """The record of which the id holds the hash: a neighbour's, with this generation's tags; None where none fits."""
    tags, records = linked_tags(layout, repository, identity), neighbours(layout, repository, identity)
    for near in records:
        held: dict[str, Held] = {}
        for tag, target in tags.items():
            same = (record.tags.get(tag) for record in (near, *records))
            others = (each for record in records for each in record.tags.values())
            fitting = next((each for each in (*same, *others) if each and (each.digest, each.kind) == target), None)
            if fitting is not None:
                held[tag] = fitting
        candidate = replace(near, tags=held)
        if is_of(candidate.encode(), identity):
            return candidate
    return None


def replace_unproved(layout: Layout, turn: Turn) -> Publication | None:
    """Serve something sound in place of every served generation whose record is lost; None where there is none.

    What its tags' links still say becomes a new generation; without them an older one is served, or, where there is
    none, nothing of that repository: the next sync publishes it anew from what is on disk. The caller holds the
    publish mutex. Raises HostError.
    """
    serving = served_snapshot(layout)
    generations = dict(serving.generations) if serving else {}
    unproved = [name for name, identity in generations.items() if true_record(layout, name, identity) is None]
    if not unproved:
        return None
    with durable.Barrier(layout.root) as barrier:
        for name in unproved:
            identity = generations.pop(name)
            record, older = _read_off(layout, name, identity), _older(layout, name, identity)
            if record is not None:
                generations[name] = build_generation(layout, record, turn.number, None)
            elif older is not None:
                generations[name] = older
        barrier.wait()
    reason = Reason("", f"repair of {', '.join(unproved)}")
    return republish(layout, generations, count_tags(layout, generations), turn, reason)


def _older(layout: Layout, repository: str, identity: str) -> str | None:
    """The newest sound generation of a repository before ``identity`` that a snapshot names."""
    named = read_history(layout).named.get(repository, frozenset())
    before = sorted(each for each in named if (generation_sequence(each) or 0) < (generation_sequence(identity) or 0))
    return next((each for each in reversed(before) if true_record(layout, repository, each) is not None), None)


def _read_off(layout: Layout, repository: str, identity: str) -> Record | None:
    """A record made anew from a generation's links, its neighbours, and the content; None where no tag is left."""
    others = neighbours(layout, repository, identity)
    try:
        upstream = others[0].upstream if others else Repository.parse(repository)
    except InvalidReferenceError:
        return None
    known = {held.digest: held for record in reversed(others) for held in record.tags.values()}
    tags: dict[str, Held] = {}
    for tag, (digest, kind) in linked_tags(layout, repository, identity).items():
        held = known.get(digest) or _held(layout, repository, digest, kind)
        link = layout.generations / flat_name(repository) / identity / "tags" / tag
        seen = datetime.fromtimestamp(os.lstat(link).st_mtime, UTC)  # the link is as old as the tag's naming it
        if held is not None:
            tags[tag] = replace(held, kind=kind, first_seen=seen.isoformat(timespec="seconds"))
    digests = others[0].digests if others else {}
    if not tags and not digests:
        return None
    return Record(repository, upstream, tags, digests, dict(_referrers(layout, repository, identity)))


def _held(layout: Layout, repository: str, digest: Digest, kind: Kind) -> Held | None:
    manifests = {manifest.digest: manifest for manifest in _below(layout, repository, digest)}
    if digest not in manifests:
        return None
    sizes = {blob.digest: blob.size for each in manifests.values() for blob in each.blobs if not blob.is_foreign}
    sizes |= {each.digest: len(each.raw) for each in manifests.values()}
    platforms = dict.fromkeys(_platforms(layout, repository, manifests[digest]))
    children = tuple(each for each in manifests if each != digest)
    return Held(digest, kind, sum(sizes.values()), tuple(platforms), children)


def _below(layout: Layout, repository: str, digest: Digest) -> Iterator[Manifest]:
    """A manifest and all below it that the repository has."""
    try:
        manifest = read_manifest(layout, repository, digest)
    except MirrordError:  # damaged: it is as good as absent
        return
    if manifest is not None:
        yield manifest
        for child in manifest.children:
            yield from _below(layout, repository, child.digest)


def _platforms(layout: Layout, repository: str, manifest: Manifest) -> Iterator[str]:
    for child in manifest.children:
        if child.platform and not child.platform.is_unknown:
            yield str(child.platform)
    if manifest.config is not None:
        try:
            content = read_file(layout.root, layout.blob(repository, manifest.config.digest), _MAX_CONFIG)
        except (FileNotFoundError, MirrordError):
            return
        platform = read_platform(content)
        if platform is not None:
            yield str(platform)


def _referrers(
    layout: Layout, repository: str, identity: str
) -> Iterator[tuple[Digest, tuple[Mapping[str, Any], ...]]]:
    """What a generation's referrers documents list, those that are as a publication wrote them."""
    room = layout.generations / flat_name(repository) / identity / "referrers"
    for name in os.listdir(room) if durable.is_directory(room) else ():
        try:
            content = read_file(layout.root, room / name, MAX_RECORD)
            subject, listed = Digest.parse(name.removesuffix(".json")), tuple(json.loads(content)["manifests"])
        except (OSError, ValueError, LookupError, TypeError, MirrordError):
            continue
        if content == referrers_document(listed):
            yield subject, listed
