"""One repository in a run: complete what was decided; what is ready for publication outlives it."""

import asyncio

from mirrord.config.images import Image
from mirrord.errors import BlockedError, HostError, MirrordError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import is_follower
from mirrord.store.record import Held
from mirrord.sync.artifacts import digests_in
from mirrord.sync.bring import Bringing
from mirrord.sync.decide import orphaned_followers, retained
from mirrord.sync.lanes import Place
from mirrord.sync.outcome import Outcome, Status
from mirrord.sync.resolve import Resolved, is_overdue
from mirrord.sync.tell import day
from mirrord.sync.tools import Tools


class RepositoryRun:
    """Completes the images of one repository; `ready` is what may be published of it at any moment."""

    def __init__(self, tools: Tools, found: Resolved, place: Place) -> None:
        self._tools = tools
        self._place = place
        self._found = found
        self.name = found.plan.name
        self._bringing = Bringing(tools, found)
        self.ready, self._now = self._bringing.ready, self._bringing.now
        self._deleted = dict(found.deleted)
        """Tags that go because their upstream deleted them, and since when."""
        self.outcomes: list[Outcome] = []

    async def run(self) -> None:
        """Complete every image; failures become outcomes, and stop no other image."""
        decision = self._found.decision
        images: list[tuple[str | Digest, Image]] = [*decision.tags.items(), *decision.digests.items()]
        self._tools.progress.images_found += len(images)
        self._place.has(len(images))
        for image, error in decision.problems:
            self._conclude(Outcome.of_error(f"{self.name} ({image.where})", error))
        for tag in decision.gone:
            self._conclude(self._kept(tag, f"{self._found.upstream}'s list no longer has it"))
        async with asyncio.TaskGroup() as tasks:
            for key, image in images:
                await self._place.begin()
                tasks.create_task(self._image(key, image))
        self._drop()
        self._remember()
        looked = any(image.referrers for _, image in images)
        if looked and self._bringing.is_due and not any(outcome.error for outcome in self.outcomes):
            self._tools.notes.looked(self.name)

    async def _image(self, key: str | Digest, image: Image) -> None:
        name = f"{self.name}{':' if isinstance(key, str) else '@'}{key}"
        progress = self._tools.progress
        progress.working_on[name] = None
        try:
            outcome = await self._attempt(name, key, image)
        finally:
            self._place.end()
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
                return await self._bringing.tag(name, key, image)
            return await self._bringing.digest(name, key, image)
        except NotFoundError as error:
            if held is not None and isinstance(key, str):
                return self._missing(key, held, str(error))
            return None if image.is_member else Outcome.of_error(name, error)
        except MirrordError as error:
            if isinstance(error, HostError):
                self._tools.host_error = self._tools.host_error or error
            return Outcome.of_error(name, error, held.digest if held else None)

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
            self.ready.referrers = dict.fromkeys(self._found.record.referrers if self._found.record else {}, ())
        pinned = {**(self._found.record.digests if self._found.record else {}), **self.ready.digests}
        kept = [held for digest, held in pinned.items() if digest not in decision.dropped_digests]
        tags = {tag: held for tag, held in self._now.items() if tag not in gone}
        referring = self._referring()
        while orphans := orphaned_followers(tags, [*tags.values(), *kept], referring):
            tags = {tag: held for tag, held in tags.items() if tag not in orphans}
        self.ready.dropped_tags = frozenset(self._now.keys() - tags.keys())
        self.ready.dropped_digests = frozenset(decision.dropped_digests)
        for tag in sorted(gone):
            why = f"deleted upstream since {self._deleted[tag]} or before" if tag in self._deleted else ""
            self._conclude(Outcome(f"{self.name}:{tag}", Status.REMOVED, None, self._now[tag].digest, warning=why))
        for digest in sorted(decision.dropped_digests):
            self._conclude(Outcome(f"{self.name}@{digest}", Status.REMOVED, None, digest))

    def _remember(self) -> None:
        """Keep notes of what is as it was; of a tag that left the rules, or is served no more, none is left."""
        memory, decision = self._tools.memory, self._found.decision
        memory.note_lacking(self.name, self._bringing.lacking)
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
        listed = {**(self._found.record.referrers if self._found.record else {}), **self.ready.referrers}
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
