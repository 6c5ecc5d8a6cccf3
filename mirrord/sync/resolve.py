"""Before anything is fetched: what a repository's rules select, what is held of it, and what the upstream says now."""

import time
from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.config.images import Image, config_for, images_of
from mirrord.config.select import needs_list
from mirrord.errors import ConfigError, MirrordError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, Manifest
from mirrord.oci.reference import Reference, Repository
from mirrord.registry.client import Registries
from mirrord.store.content import Demand
from mirrord.store.reader import Reader
from mirrord.store.record import Held, Record, Source
from mirrord.sync.decide import Decision, RepositoryPlan, decide
from mirrord.sync.followers import Listing
from mirrord.sync.memory import Memory
from mirrord.sync.outcome import Status
from mirrord.sync.tell import day

_COMMAND = "command"
"""Where the rule of an image is written that somebody added by command."""


class Resolved(Struct, frozen=True):
    """One repository, decided: what to ask about each of its images."""

    plan: RepositoryPlan
    upstream: Repository
    record: Record | None
    decision: Decision
    listing: Listing
    children: Mapping[str, tuple[Digest, ...]]
    """By tag or digest, the manifests below each image that is complete here."""
    deleted: Mapping[str, str] = field(default_factory=dict)
    """Tags that go because their upstream deleted them long enough ago, and since when."""

    def held(self, key: str | Digest) -> Held | None:
        """What is served under a tag or (of an image configured so) a digest."""
        if self.record is None:
            return None
        return self.record.tags.get(key) if isinstance(key, str) else self.record.digests.get(key)

    def is_complete(self, key: str | Digest) -> bool:
        """Whether all that is chosen of what is served under a tag or digest is here, and nothing else is on record."""
        held, children = self.held(key), self.children.get(str(key))
        return held is not None and children is not None and set(children) == set(held.children)

    def source(self, tag: str) -> Source:
        """Who asked for a tag: a command's tag stays a command's, until the config names it too."""
        image = self.decision.tags.get(tag)
        return Source.COMMAND if image is not None and image.where == _COMMAND else self.plan.source


async def resolve(plan: RepositoryPlan, registries: Registries, reader: Reader, memory: Memory) -> Resolved:
    """Decide what a run asks about one repository. A failing list fails only the images whose rules need it."""
    record = await reader.record(plan.name)
    upstream = plan.images[0].repository if plan.images else _upstream_of(plan, record)
    listing = Listing(registries, upstream)
    listed, failed = None, None
    if any(needs_list(image.tags) for image in plan.images) and not plan.has_vanished:
        try:
            listed = await listing.listed()
        except MirrordError as error:
            failed = error
    if failed is None:
        decision = decide(plan, listed, record)
    else:
        helped = tuple(image for image in plan.images if not needs_list(image.tags))
        decision = decide(replace(plan, images=helped, may_drop=False), None, record)
        decision.problems += [(image, failed) for image in plan.images if image not in helped]
    _add_images_of_commands(plan, upstream, record, decision)
    deleted = _let_go(plan, record, decision, memory)
    children = await reader.held_children(plan.name, _demands(record, decision, memory.lacking(plan.name)))
    return Resolved(plan, upstream, record, decision, listing, children, deleted)


def _upstream_of(plan: RepositoryPlan, record: Record | None) -> Repository:
    if record is None:
        raise ConfigError(f"{plan.name}: the mirror does not hold it any more")
    return record.upstream


def _add_images_of_commands(
    plan: RepositoryPlan, upstream: Repository, record: Record | None, decision: Decision
) -> None:
    """What somebody added by command is refreshed by every run that is about its repository."""
    for tag, held in (record.tags if record else {}).items():
        wanted = plan.only is None or tag in plan.only
        if held.source is Source.COMMAND and wanted and tag not in decision.tags and plan.source is Source.CONFIG:
            (image,) = images_of(config_for([str(Reference(upstream, tag))], None))
            decision.tags[tag] = replace(image, where=_COMMAND)


def _let_go(plan: RepositoryPlan, record: Record | None, decision: Decision, memory: Memory) -> Mapping[str, str]:
    """Drop the tags that the upstream's list has lacked for longer than a person allows."""
    deleted: dict[str, str] = {}
    for tag in list(decision.gone):
        since = memory.missing.since(plan.name, tag)
        held = record.tags.get(tag) if record else None
        if held is not None and is_overdue(plan, held, since, memory):
            deleted[tag] = day(since)
            decision.dropped_tags.add(tag)
            del decision.gone[tag]
    return deleted


def is_overdue(plan: RepositoryPlan, held: Held, since: float, memory: Memory) -> bool:
    """Whether a held tag that its upstream has lacked ``since`` then may go now."""
    is_patient = memory.patience is None or time.time() - since < memory.patience
    return plan.may_drop and held.source is plan.source and not is_patient


def _demands(record: Record | None, decision: Decision, lacking: frozenset[Digest]) -> Mapping[str, Demand]:
    tags = record.tags if record else {}
    pinned = record.digests if record else {}
    wanted: dict[str, tuple[Digest, Kind | None, Image]] = {
        tag: (tags[tag].digest, tags[tag].kind, image) for tag, image in decision.tags.items() if tag in tags
    }
    for digest, image in decision.digests.items():
        wanted[str(digest)] = digest, pinned[digest].kind if digest in pinned else None, image
    return {
        key: Demand(
            digest,
            kind,
            image.platforms,
            lacking if image.missing_children == "keep" else frozenset(),
            with_foreign=image.foreign_layers == "follow",
        )
        for key, (digest, kind, image) in wanted.items()
    }


class Look(Struct, frozen=True):
    """What the upstream (or, of what can't change, the mirror alone) says about an image."""

    status: Status
    digest: Digest

    @property
    def is_new(self) -> bool:
        """Whether its digest is another than the one held."""
        return self.status in {Status.ADDED, Status.UPDATED}


async def look_at_tag(found: Resolved, registries: Registries, tag: str, image: Image) -> Look:
    """Compare one tag with the upstream, in one HEAD at most.

    COMPLETED: the digest is the one held, but not all that is chosen of it is there. Raises MirrordError.
    """
    held, is_complete = found.held(tag), found.is_complete(tag)
    if held and is_complete and any(fnmatchcase(tag, pattern) for pattern in image.immutable):
        return Look(Status.UNCHANGED, held.digest)
    known = await found.listing.known_digest(tag, len(found.decision.tags)) if is_complete else None
    if held and known == held.digest:
        check_pin(image, tag, known)
        return Look(Status.UNCHANGED, known)
    head = await registries.head_manifest(found.upstream, tag)
    digest = head.digest
    if digest is None or (image.digest is not None and digest != image.digest):  # a header breaks no pin
        digest = (await registries.get_manifest(found.upstream, tag)).digest
    return _compare(found, tag, image, digest)


async def look_by_bytes(found: Resolved, registries: Registries, tag: str, image: Image) -> tuple[Look, Manifest]:
    """The same by what the tag's manifest hashes to, whatever its headers say. Raises MirrordError."""
    manifest = await registries.get_manifest(found.upstream, tag)
    return _compare(found, tag, image, manifest.digest), manifest


def _compare(found: Resolved, tag: str, image: Image, digest: Digest) -> Look:
    check_pin(image, tag, digest)
    held = found.held(tag)
    if held is None:
        return Look(Status.ADDED, digest)
    if digest != held.digest:
        return Look(Status.UPDATED, digest)
    return Look(Status.UNCHANGED if found.is_complete(tag) else Status.COMPLETED, digest)


def look_at_digest(found: Resolved, digest: Digest) -> Look:
    """Compare an image configured by digest with what is held: no request, it can't change."""
    if found.held(digest) is None:
        return Look(Status.ADDED, digest)
    return Look(Status.UNCHANGED if found.is_complete(digest) else Status.COMPLETED, digest)


def check_pin(image: Image, tag: str, digest: Digest) -> None:
    """Raise UpstreamError where ``tag`` is pinned to another digest."""
    if image.digest is not None and digest != image.digest:
        raise UpstreamError(
            f"{image.repository}:{tag} is pinned to {image.digest} ({image.where}), and the upstream has moved it to "
            f"{digest}; look at what changed, then change the pin or keep what is served"
        )
