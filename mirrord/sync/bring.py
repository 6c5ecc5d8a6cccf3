"""One image of a repository in a run: compared with its upstream, completed with what follows it, and made ready."""

import time
from collections.abc import Sequence

from msgspec.structs import replace

from mirrord.config.images import Image
from mirrord.errors import NotFoundError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.oci.platform import Platform
from mirrord.store.record import Held
from mirrord.sync.artifacts import Kinds, recheck_of, still_wanted, united
from mirrord.sync.followers import Followers
from mirrord.sync.outcome import Outcome, Status
from mirrord.sync.ready import Ready
from mirrord.sync.resolve import Look, Resolved, look_at_digest, look_at_tag, look_by_bytes
from mirrord.sync.tell import day
from mirrord.sync.tools import Tools
from mirrord.sync.walk import Extent, Walk


class Bringing:
    """Brings the images of one repository; what is complete is in `ready`."""

    def __init__(self, tools: Tools, found: Resolved) -> None:
        self._tools = tools
        self._found = found
        self.name = found.plan.name
        walk = Walk(
            tools.registries, tools.store, tools.transfer, tools.progress, self.name, found.upstream, tools.blocks
        )
        self._walk = walk
        self.lacking = walk.lacking
        """Parts of indexes that were asked for where such may be lacking, and whether the upstream lacks them."""
        self._followers = Followers(walk, found.listing, found.record.tags if found.record else {})
        is_damaged = tools.store.suspects is not None and bool(tools.store.suspects.of(self.name))
        wanted = (*found.decision.tags.values(), *found.decision.digests.values())
        self.is_due = is_damaged or tools.notes.is_due(self.name, recheck_of(image.referrers for image in wanted))
        """Whether followers are looked for also where nothing moved."""
        self.ready = Ready(found.plan, found.upstream)
        self.now: dict[str, Held] = dict(found.record.tags) if found.record else {}
        """The tags as they will be served when all that is ready is."""

    async def tag(self, name: str, tag: str, image: Image) -> Outcome:
        """See to one tag. Raises NotFoundError where the upstream lacks it, and MirrordError."""
        found, held, memory = self._found, self._found.held(tag), self._tools.memory
        registries = self._tools.registries
        manifest: Manifest | None = None
        waits = image.cooldown > 0 and image.digest is None  # a pin is a person's choice: it need not prove itself
        if held is None and not waits:  # its manifest must come anyway: one GET, and no HEAD before it
            look, manifest = await look_by_bytes(found, registries, tag, image)
            return await self._bring(name, tag, image, look.status, manifest)
        look = await look_at_tag(found, registries, tag, image)
        if waits and look.is_new and memory.cooling.is_another(self.name, tag, str(look.digest)):
            look, _ = await look_by_bytes(found, registries, tag, image)  # a header that lies must not begin it anew
        due = self._due_at(tag, image, look) if waits else 0.0
        if look.status is not Status.UNCHANGED and due <= time.time():
            try:
                manifest = await self._manifest(look.digest)
            except NotFoundError:  # the header lies, or its manifest is gone and the tag is not: the tag's bytes decide
                look, manifest = await look_by_bytes(found, registries, tag, image)
                due = self._due_at(tag, image, look) if waits else 0.0
        memory.missing.forget(self.name, tag)
        if due > time.time():
            return await self._waiting(name, tag, image, due)
        if manifest is not None and look.status is not Status.UNCHANGED:
            return await self._bring(name, tag, image, look.status, manifest)
        assert held is not None  # noqa: S101 - only what is held can be unchanged
        if image.referrers and self.is_due:
            await self._follow(held, image)
        if found.source(tag) is not held.source:  # the config names now what a command added
            self.ready.tags[tag] = replace(held, source=found.source(tag))
        return Outcome(name, Status.UNCHANGED, held.digest, held.digest)

    async def digest(self, name: str, digest: Digest, image: Image) -> Outcome:
        """See to an image configured by its digest. Raises MirrordError."""
        look = look_at_digest(self._found, digest)
        if look.status is Status.UNCHANGED:
            return Outcome(name, Status.UNCHANGED, digest, digest)
        return await self._bring(name, digest, image, look.status, await self._manifest(digest))

    def _due_at(self, tag: str, image: Image, look: Look) -> float:
        """When a tag's new digest has been seen unchanged for its cooldown; 0 where it has no new one."""
        cooling = self._tools.memory.cooling
        if not look.is_new:
            cooling.forget(self.name, tag)
            return 0.0
        return cooling.since(self.name, tag, str(look.digest)) + image.cooldown

    async def _waiting(self, name: str, tag: str, image: Image, due: float) -> Outcome:
        """A tag whose new digest waits: nothing of that is fetched, and what is served is kept whole."""
        held = self._found.held(tag)
        if held is not None and not self._found.is_complete(tag):
            try:
                await self._bring(name, tag, image, Status.COMPLETED, await self._manifest(held.digest))
            except NotFoundError as error:  # of what was replaced: the tag itself is there
                raise UpstreamError(f"what is served of it is not whole, and can't be completed: {error}") from error
        elif held is not None and image.referrers and self.is_due:
            await self._follow(held, image)
        digest = held.digest if held else None
        words = f"cooldown: what is new is published from {day(due)} on, if it stays; --skip-cooldown does it now"
        return Outcome(name, Status.DEFERRED, digest, digest, warning=words, until=due)

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
            self.ready.tags[key] = self.now[key] = held
            if status is not Status.COMPLETED:  # else another digest of it may be waiting
                self._tools.memory.cooling.forget(self.name, key)
        else:
            self.ready.digests[key] = held
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
            ready = self.ready.referrers.get(subject, ())  # by another tag of the same digest
            listed = united(following.referrers.get(subject, ()), ready, kept)
            if listed != before.get(subject, ()):
                self.ready.referrers[subject] = listed
        for tag, follower in following.tags.items():
            known = self.now.get(tag)
            if known is None or (known.digest, known.children) != (follower.digest, follower.children):
                self.ready.tags[tag] = self.now[tag] = follower


def _holds_the_same(one: Held, other: Held) -> bool:
    return (one.digest, one.children, one.size) == (other.digest, other.children, other.size)


def _listed(children: Sequence[Descriptor]) -> str:
    """Entries of an index by their platforms."""
    return ", ".join(sorted({str(child.platform or child.digest) for child in children}))
