"""One repository in a run: complete what was decided, and hand over what is complete for publication."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from mirrord.config.images import Image
from mirrord.errors import BlockedError, HostError, MirrordError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest
from mirrord.oci.platform import Platform
from mirrord.oci.reference import is_follower
from mirrord.registry.client import Registries
from mirrord.store.blocks import Blocks
from mirrord.store.change import Change
from mirrord.store.record import Held
from mirrord.store.store import Store
from mirrord.sync.decide import orphaned_followers
from mirrord.sync.followers import Followers, Following
from mirrord.sync.notes import Notes
from mirrord.sync.outcome import Outcome, Progress, Status
from mirrord.sync.resolve import Resolved, check_pin, look_at_digest, look_at_tag
from mirrord.sync.transfer import Transfer
from mirrord.sync.walk import Walk

_log = structlog.get_logger()


@dataclass(slots=True)
class Tools:
    """What every repository of a run works with."""

    registries: Registries
    store: Store
    transfer: Transfer
    progress: Progress
    notes: Notes
    blocks: Blocks
    slots: asyncio.Semaphore
    """Images in work at once."""
    host_error: HostError | None = None
    """The host's first failure in this run: no further image is begun."""


@dataclass(slots=True)
class Ready:
    """What is complete and not yet published."""

    tags: dict[str, Held] = field(default_factory=dict)
    digests: dict[Digest, Held] = field(default_factory=dict)
    referrers: dict[Digest, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    dropped_tags: frozenset[str] = frozenset()
    dropped_digests: frozenset[Digest] = frozenset()


class RepositoryRun:
    """Completes the images of one repository; `pending` is what may be published of it at any moment."""

    def __init__(self, tools: Tools, found: Resolved) -> None:
        self._tools = tools
        self._found = found
        self.name = found.plan.name
        walk = Walk(
            tools.registries, tools.store, tools.transfer, tools.progress, self.name, found.upstream, tools.blocks
        )
        self._walk = walk
        self._followers = Followers(walk, found.listing)
        is_damaged = tools.store.suspects is not None and bool(tools.store.suspects.of(self.name))
        self._due = is_damaged or tools.notes.is_due(self.name)
        self._ready = Ready()
        self._now: dict[str, Held] = dict(found.record.tags) if found.record else {}
        """The tags as they will be served when all that is ready is."""
        self.outcomes: list[Outcome] = []

    async def run(self) -> None:
        """Complete every image; failures become outcomes, and stop no other image."""
        decision = self._found.decision
        images: list[tuple[str | Digest, Image]] = [*decision.tags.items(), *decision.digests.items()]
        self._tools.progress.images_found += len(images)
        for image, error in decision.problems:
            self._conclude(Outcome.of_error(f"{self.name} ({image.where})", error))
        for tag in decision.gone:
            self._conclude(self._kept(tag, f"{self._found.upstream}'s list no longer has it"))
        async with asyncio.TaskGroup() as tasks:
            for key, image in images:
                await self._tools.slots.acquire()
                tasks.create_task(self._image(key, image))
        self._drop()
        looked = any(image.referrers for _, image in images)
        if looked and self._due and not any(outcome.error for outcome in self.outcomes):
            self._tools.notes.looked(self.name)

    def pending(self) -> Change:
        """What is complete and not yet published; what is dropped is in it once the repository is done."""
        ready = self._ready
        return Change(
            self.name,
            self._found.upstream,
            dict(ready.tags),
            ready.dropped_tags,
            dict(ready.digests),
            ready.dropped_digests,
            dict(ready.referrers),
        )

    def published(self, change: Change) -> None:
        """Take note that ``change`` is served now."""
        ready = self._ready
        ready.tags = {tag: held for tag, held in ready.tags.items() if change.tags.get(tag) is not held}
        ready.digests = {d: held for d, held in ready.digests.items() if change.digests.get(d) is not held}
        ready.referrers = {d: r for d, r in ready.referrers.items() if change.referrers.get(d) is not r}
        ready.dropped_tags -= change.dropped_tags
        ready.dropped_digests -= change.dropped_digests

    async def _image(self, key: str | Digest, image: Image) -> None:
        name = f"{self.name}{':' if isinstance(key, str) else '@'}{key}"
        progress = self._tools.progress
        progress.working_on[name] = None
        try:
            outcome = await self._attempt(name, key, image)
        finally:
            self._tools.slots.release()
            del progress.working_on[name]
            progress.images_done += 1
        self._conclude(outcome)

    async def _attempt(self, name: str, key: str | Digest, image: Image) -> Outcome:
        """One image; what fails it becomes its outcome, and what is served of it stays."""
        held = self._found.held(key)
        try:
            if self._tools.host_error is not None:
                raise self._tools.host_error
            if isinstance(key, str) and (block := self._tools.blocks.of_tag(self.name, key)) is not None:
                raise BlockedError(f"{block.what} is blocked since {block.since}: {block.why or 'no reason given'}")
            if isinstance(key, str):
                return await self._tag(name, key, image)
            return await self._digest(name, key, image)
        except NotFoundError as error:
            if held is not None and isinstance(key, str):
                return self._kept(key, str(error))
            return Outcome.of_error(name, error)
        except MirrordError as error:
            if isinstance(error, HostError):
                self._tools.host_error = self._tools.host_error or error
            return Outcome.of_error(name, error, held.digest if held else None)

    async def _tag(self, name: str, tag: str, image: Image) -> Outcome:
        found, held = self._found, self._found.held(tag)
        if held is None:  # its manifest must come anyway: one GET, and no HEAD before it
            manifest = await self._tools.registries.get_manifest(found.upstream, tag)
            check_pin(image, tag, manifest.digest)
            return await self._bring(name, tag, image, Status.ADDED, manifest)
        look = await look_at_tag(found, self._tools.registries, tag, image)
        if look.status is not Status.UNCHANGED:
            return await self._bring(name, tag, image, look.status, await self._manifest(look.digest))
        if image.referrers and self._due:
            self._accept(await self._followers.of(held))
        if found.source(tag) is not held.source:  # the config names now what a command added
            self._ready.tags[tag] = replace(held, source=found.source(tag))
        return Outcome(name, Status.UNCHANGED, held.digest, held.digest)

    async def _digest(self, name: str, digest: Digest, image: Image) -> Outcome:
        look = look_at_digest(self._found, digest)
        if look.status is Status.UNCHANGED:
            return Outcome(name, Status.UNCHANGED, digest, digest)
        return await self._bring(name, digest, image, look.status, await self._manifest(digest))

    async def _manifest(self, digest: Digest) -> Manifest:
        held = await self._tools.store.read_manifest(self.name, digest)
        return held or await self._tools.registries.get_manifest(self._found.upstream, digest)

    async def _bring(self, name: str, key: str | Digest, image: Image, status: Status, manifest: Manifest) -> Outcome:
        """Complete an image and what follows it; all of it becomes ready for publication in one step."""
        before = self._found.held(key)
        source = self._found.source(key) if isinstance(key, str) else self._found.plan.source
        held = await self._walk.complete(manifest, image.platforms, source)
        following = await self._followers.of(held) if image.referrers else Following()
        self._accept(following)
        if isinstance(key, str):
            self._ready.tags[key] = self._now[key] = held
        else:
            self._ready.digests[key] = held
        warning = ""
        if (
            not held.kind.is_index
            and held.platforms
            and not image.platforms.includes(Platform.parse(held.platforms[0]))
        ):
            warning = f"a single image of {held.platforms[0]}, not of {image.platforms}; kept all the same"
        return Outcome(name, status, held.digest, before.digest if before else None, warning=warning)

    def _accept(self, following: Following) -> None:
        for tag, held in following.tags.items():
            before = self._now.get(tag)
            if before is None or (before.digest, before.children) != (held.digest, held.children):
                self._ready.tags[tag] = self._now[tag] = held
        self._ready.referrers |= following.referrers

    def _drop(self) -> None:
        """Drop what no rule wants any more, and the signatures of what no tag names any more."""
        decision = self._found.decision
        gone = set(decision.dropped_tags)
        images = (*decision.tags.values(), *decision.gone.values(), *decision.digests.values())
        if self._found.plan.may_drop and images and not any(image.referrers for image in images):
            gone |= {tag for tag in self._now if is_follower(tag)}
        pinned = {**(self._found.record.digests if self._found.record else {}), **self._ready.digests}
        kept = [held for digest, held in pinned.items() if digest not in decision.dropped_digests]
        tags = {tag: held for tag, held in self._now.items() if tag not in gone}
        while orphans := orphaned_followers(tags, [*tags.values(), *kept]):
            tags = {tag: held for tag, held in tags.items() if tag not in orphans}
        self._ready.dropped_tags = frozenset(self._now.keys() - tags.keys())
        self._ready.dropped_digests = frozenset(decision.dropped_digests)
        for tag in sorted(gone):
            self._conclude(Outcome(f"{self.name}:{tag}", Status.REMOVED, None, self._now[tag].digest))
        for digest in sorted(decision.dropped_digests):
            self._conclude(Outcome(f"{self.name}@{digest}", Status.REMOVED, None, digest))

    def _kept(self, tag: str, why: str) -> Outcome:
        held = self._found.held(tag)
        digest = held.digest if held else None
        name = f"{self.name}:{tag}"
        return Outcome(name, Status.KEPT, digest, digest, warning=f"{why}; the copy that is served stays")

    def _conclude(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        fields: dict[str, Any] = {"image": outcome.name, "digest": str(outcome.digest or "")}
        if outcome.status is Status.FAILED and outcome.error:
            _log.error("image.failed", image=outcome.name, owner=str(outcome.error.owner), error=str(outcome.error))
        elif outcome.status is Status.DEFERRED:
            _log.warning("image.deferred", image=outcome.name, error=str(outcome.error))
        elif outcome.status is Status.UNCHANGED:
            _log.debug("image.unchanged", **fields)
        elif outcome.status in {Status.KEPT, Status.BLOCKED}:
            _log.warning(f"image.{outcome.status}", warning=outcome.warning, **fields)
        else:
            _log.info(
                f"image.{'removed' if outcome.status is Status.REMOVED else 'updated'}",
                previous=str(outcome.previous or ""),
                status=str(outcome.status),
                **fields,
            )
