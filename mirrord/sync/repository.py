"""One repository in a run: complete what was decided, and hand over what is complete for publication."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mirrord.config.images import Image
from mirrord.errors import BlockedError, HostError, MirrordError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.oci.platform import Platform
from mirrord.oci.reference import is_follower
from mirrord.registry.client import Registries
from mirrord.store.blocks import Blocks
from mirrord.store.change import Change
from mirrord.store.record import Held
from mirrord.store.store import Store
from mirrord.sync.artifacts import Kinds, digests_in, recheck_of, still_wanted, united
from mirrord.sync.decide import orphaned_followers, retained
from mirrord.sync.followers import Followers
from mirrord.sync.memory import Memory
from mirrord.sync.notes import Notes
from mirrord.sync.outcome import Outcome, Progress, Status
from mirrord.sync.resolve import Look, Resolved, check_pin, is_overdue, look_at_digest, look_at_tag
from mirrord.sync.tell import Teller, day
from mirrord.sync.transfer import Transfer
from mirrord.sync.walk import Extent, Walk


@dataclass(slots=True)
class Tools:
    """What every repository of a run works with."""

    registries: Registries
    store: Store
    transfer: Transfer
    progress: Progress
    notes: Notes
    memory: Memory
    blocks: Blocks
    slots: asyncio.Semaphore
    """Images in work at once."""
    teller: Teller = field(default_factory=Teller)
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
        self.plan = found.plan
        self.name = found.plan.name
        walk = Walk(
            tools.registries, tools.store, tools.transfer, tools.progress, self.name, found.upstream, tools.blocks
        )
        self._walk = walk
        self._followers = Followers(walk, found.listing, found.record.tags if found.record else {})
        is_damaged = tools.store.suspects is not None and bool(tools.store.suspects.of(self.name))
        wanted = (*found.decision.tags.values(), *found.decision.digests.values())
        self._due = is_damaged or tools.notes.is_due(self.name, recheck_of(image.referrers for image in wanted))
        self._ready = Ready()
        self._now: dict[str, Held] = dict(found.record.tags) if found.record else {}
        """The tags as they will be served when all that is ready is."""
        self._deleted = dict(found.deleted)
        """Tags that go because their upstream deleted them, and since when."""
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
        self._remember()
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
        if outcome is not None:
            self._conclude(outcome)

    async def _attempt(self, name: str, key: str | Digest, image: Image) -> Outcome | None:
        """One image; what fails it becomes its outcome, and what is served of it stays. None: nothing to tell yet."""
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
                return self._missing(key, held, str(error))
            return None if image.is_member else Outcome.of_error(name, error)
        except MirrordError as error:
            if isinstance(error, HostError):
                self._tools.host_error = self._tools.host_error or error
            return Outcome.of_error(name, error, held.digest if held else None)

    async def _tag(self, name: str, tag: str, image: Image) -> Outcome:
        found, held = self._found, self._found.held(tag)
        waits = image.cooldown > 0 and image.digest is None  # a pin is a person's choice: it need not prove itself
        if held is None and not waits:  # its manifest must come anyway: one GET, and no HEAD before it
            manifest = await self._tools.registries.get_manifest(found.upstream, tag)
            check_pin(image, tag, manifest.digest)
            return await self._bring(name, tag, image, Status.ADDED, manifest)
        look = await look_at_tag(found, self._tools.registries, tag, image)
        self._tools.memory.missing.forget(self.name, tag)
        due = self._due_at(tag, image, look) if waits else 0.0
        if due > time.time():
            return await self._waiting(name, tag, image, due)
        if look.status is not Status.UNCHANGED:
            return await self._bring(name, tag, image, look.status, await self._manifest(look.digest))
        assert held is not None  # noqa: S101 - only what is held can be unchanged
        if image.referrers and self._due:
            await self._follow(held, image)
        if found.source(tag) is not held.source:  # the config names now what a command added
            self._ready.tags[tag] = replace(held, source=found.source(tag))
        return Outcome(name, Status.UNCHANGED, held.digest, held.digest)

    def _due_at(self, tag: str, image: Image, look: Look) -> float:
        """When a tag's new digest has been seen unchanged for its cooldown; 0 where it has no new one."""
        cooling = self._tools.memory.cooling
        if look.status not in {Status.ADDED, Status.UPDATED}:
            cooling.forget(self.name, tag)
            return 0.0
        return cooling.since(self.name, tag, str(look.digest)) + image.cooldown

    async def _waiting(self, name: str, tag: str, image: Image, due: float) -> Outcome:
        """A tag whose new digest waits: nothing of that is fetched, and what is served is kept whole."""
        held = self._found.held(tag)
        if held is not None and not self._found.is_complete(tag):
            await self._bring(name, tag, image, Status.COMPLETED, await self._manifest(held.digest))
        elif held is not None and image.referrers and self._due:
            await self._follow(held, image)
        digest = held.digest if held else None
        words = f"cooldown: what is new is published from {day(due)} on, if it stays; --skip-cooldown does it now"
        return Outcome(name, Status.DEFERRED, digest, digest, warning=words, until=due)

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
        extent = Extent(image.missing_children == "keep", image.foreign_layers == "follow")
        held = await self._walk.complete(manifest, image.platforms, source, extent)
        if image.referrers:
            await self._follow(held, image)
        if isinstance(key, str):
            self._ready.tags[key] = self._now[key] = held
            self._tools.memory.cooling.forget(self.name, key)
        else:
            self._ready.digests[key] = held
        lacking = [child for child in manifest.children if self._walk.lacking.get(child.digest)]
        if lacking and status is Status.COMPLETED and before is not None and _holds_the_same(before, held):
            status = Status.UNCHANGED  # asked again for what the upstream lacks, in vain
        warning = f"without {_listed(lacking)}, which the upstream itself lacks" if lacking else ""
        if (
            not held.kind.is_index
            and held.platforms
            and not image.platforms.includes(Platform.parse(held.platforms[0]))
        ):
            warning = f"a single image of {held.platforms[0]}, not of {image.platforms}; kept all the same"
        return Outcome(name, status, held.digest, before.digest if before else None, warning=warning)

    async def _follow(self, held: Held, image: Image) -> None:
        """Complete what follows an image, and take it up; what its upstream no longer lists stays, as with tags."""
        kinds = Kinds.of(image.referrers)
        following = await self._followers.of(held, kinds)
        before = self._found.record.referrers if self._found.record else {}
        for subject in {*following.referrers, *({held.digest, *held.children} & before.keys())}:
            kept = still_wanted(before.get(subject, ()), kinds)
            ready = self._ready.referrers.get(subject, ())  # by another tag of the same digest
            listed = united(following.referrers.get(subject, ()), ready, kept)
            if listed != before.get(subject, ()):
                self._ready.referrers[subject] = listed
        for tag, follower in following.tags.items():
            known = self._now.get(tag)
            if known is None or (known.digest, known.children) != (follower.digest, follower.children):
                self._ready.tags[tag] = self._now[tag] = follower

    def _drop(self) -> None:
        """Drop what no rule wants any more, and the signatures of what no tag names any more."""
        decision = self._found.decision
        gone = set(decision.dropped_tags) | self._deleted.keys()
        for tag in retained(decision, tuple(self._now)):
            gone.discard(tag)
            self._conclude(self._kept(tag, "newer tags outrank it, and are not here yet"))
        images = (*decision.tags.values(), *decision.gone.values(), *decision.digests.values())
        if self._found.plan.may_drop and images and not any(image.referrers for image in images):
            gone |= {tag for tag in self._now if is_follower(tag)}
            self._ready.referrers = dict.fromkeys(self._found.record.referrers if self._found.record else {}, ())
        pinned = {**(self._found.record.digests if self._found.record else {}), **self._ready.digests}
        kept = [held for digest, held in pinned.items() if digest not in decision.dropped_digests]
        tags = {tag: held for tag, held in self._now.items() if tag not in gone}
        referring = self._referring()
        while orphans := orphaned_followers(tags, [*tags.values(), *kept], referring):
            tags = {tag: held for tag, held in tags.items() if tag not in orphans}
        self._ready.dropped_tags = frozenset(self._now.keys() - tags.keys())
        self._ready.dropped_digests = frozenset(decision.dropped_digests)
        for tag in sorted(gone):
            why = f"deleted upstream since {self._deleted[tag]} or before" if tag in self._deleted else ""
            self._conclude(Outcome(f"{self.name}:{tag}", Status.REMOVED, None, self._now[tag].digest, warning=why))
        for digest in sorted(decision.dropped_digests):
            self._conclude(Outcome(f"{self.name}@{digest}", Status.REMOVED, None, digest))

    def _remember(self) -> None:
        """Keep notes of what is as it was; of a tag that left the rules, or is served no more, none is left."""
        memory, decision = self._tools.memory, self._found.decision
        memory.note_lacking(self.name, self._walk.lacking)
        if self._found.plan.may_drop and not decision.problems:
            memory.cooling.keep(self.name, decision.tags)
            memory.missing.keep(self.name, self._now)

    def _missing(self, tag: str, held: Held, why: str) -> Outcome | None:
        """A held tag that the upstream says it does not have."""
        memory = self._tools.memory
        since = memory.missing.since(self.name, tag)
        if is_overdue(self._found.plan, held, since, memory):
            self._deleted[tag] = day(since)
            return None  # told when it is dropped
        return self._kept(tag, why)

    def _referring(self) -> frozenset[Digest]:
        """The artifacts that refer to something here and have no tag: what follows them is no orphan."""
        listed = {**(self._found.record.referrers if self._found.record else {}), **self._ready.referrers}
        return frozenset(digest for entries in listed.values() for digest in digests_in(entries))

    def _kept(self, tag: str, why: str) -> Outcome:
        held, memory = self._found.held(tag), self._tools.memory
        digest = held.digest if held else None
        name, stays = f"{self.name}:{tag}", "the copy that is served stays"
        if memory.patience is not None and tag in memory.missing.seen.get(self.name, {}):
            stays += f" until {day(memory.missing.since(self.name, tag) + memory.patience)}"
        return Outcome(name, Status.KEPT, digest, digest, warning=f"{why}; {stays}")

    def _conclude(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._tools.teller.tell(outcome)


def _holds_the_same(one: Held, other: Held) -> bool:
    return (one.digest, one.children, one.size) == (other.digest, other.children, other.size)


def _listed(children: Sequence[Descriptor]) -> str:
    """Entries of an index by their platforms."""
    return ", ".join(sorted({str(child.platform or child.digest) for child in children}))
