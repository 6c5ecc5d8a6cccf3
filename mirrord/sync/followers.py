"""What follows an image by its digest, by tags and by the referrers API: found and completed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from mirrord.errors import (
    AccessError,
    DeferredError,
    InvalidManifestError,
    MirrordError,
    NotFoundError,
    UpstreamError,
)
from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.oci.platform import PlatformChoice
from mirrord.oci.reference import Repository, followed_digest, is_tag
from mirrord.registry.client import Registries
from mirrord.registry.listing import MAX_PAGES, Listed, TagList
from mirrord.store.record import Held, Source
from mirrord.sync.artifacts import Entries, Kinds, digests_in, entry_of, united
from mirrord.sync.walk import Walk

_log = get_logger()

SUFFIXES = (".sig", ".att", ".sbom", "")
"""Of the tag ``sha256-<hex>``: cosign's three kinds, and none for the fallback of the referrers API."""

WORTH_A_LIST = 4
"""Tags of a repository for which one list, which may be long, costs less than a HEAD each."""

MAX_CHAIN = 8
"""Followers of followers: an upstream that refuses lists could answer each guess with another to follow, for ever."""


class Listing(Struct):
    """A repository's tag list, asked for once in a run and only when something needs it."""

    registries: Registries
    upstream: Repository
    _reading: TagList | None = None
    """The list as far as it is read."""
    _listed: Listed | None = None
    _refused: MirrordError | None = None
    """Why there is no list: it would be the same the next time."""
    _followers: dict[Digest, list[str]] = field(default_factory=dict)
    """By subject, out of the list: looked up for each image, so it is gone through once."""
    _asked_about: set[Digest] = field(default_factory=set)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tags(self) -> Sequence[str]:
        """Every tag of the upstream repository. Raises what the upstream or the network made fail."""
        return (await self.listed()).tags

    async def listed(self) -> Listed:
        """The same, and when each was pushed where the registry tells."""
        listed = await self._read(MAX_PAGES)
        if listed is None:
            raise UpstreamError(f"{self.upstream}: its tag list has more than {MAX_PAGES} pages")
        return listed

    async def _read(self, pages: int) -> Listed | None:
        """The list; None where it has more than so many ``pages``, of which the next call reads on."""
        async with self._asking:
            if self._refused is not None:
                raise self._refused
            if self._listed is None:
                try:
                    self._reading = self._reading or await self.registries.begin_list(self.upstream)
                    if not await self.registries.read_list(self._reading, pages):
                        return None
                except DeferredError:
                    raise
                except (AccessError, UpstreamError) as error:
                    self._refused = error
                    raise
                self._listed, self._reading = self._reading.finished(), None
                for tag in self._listed.tags:
                    if (subject := followed_digest(tag)) is not None:
                        self._followers.setdefault(subject, []).append(tag)
            return self._listed

    async def known_digest(self, tag: str, tags: int) -> Digest | None:
        """What the list says a tag names; ``tags`` of the repository are asked about in all.

        None where the list does not say, or is not worth asking for. It is believed only where it says that nothing
        has changed: any change is confirmed by a HEAD, so that a list that lags behind delays, and no more.
        """
        if self._listed is None and (tags < WORTH_A_LIST or not self.registries.lists_digests(self.upstream)):
            return None
        try:
            return (await self.listed()).digests.get(tag)
        except DeferredError:
            raise
        except (AccessError, UpstreamError):
            return None

    async def followers_of(self, digests: Iterable[Digest]) -> Sequence[str]:
        """The tags that may follow one of ``digests``: out of the list, or guessed where that would cost less.

        It would where the upstream refuses lists, and where the list has more pages than there are guesses for all
        that was asked about so far: one tag of a repository with tens of thousands.
        """
        wanted = set(digests)
        self._asked_about |= wanted
        try:
            listed = await self._read(len(SUFFIXES) * len(self._asked_about))
        except DeferredError:
            raise
        except (AccessError, UpstreamError):  # many registries give images to all, and their list to few
            listed = None
        if listed is not None:
            return [tag for digest in sorted(wanted) for tag in self._followers.get(digest, ())]
        names = [f"{digest.algorithm}-{digest.hex}{suffix}" for digest in sorted(wanted) for suffix in SUFFIXES]
        return [name for name in names if is_tag(name)]  # of a sha512 none is: a tag has 128 characters at most


class Following(Struct, frozen=True):
    """All that follows some images, complete."""

    tags: Mapping[str, Held] = field(default_factory=dict)
    referrers: Mapping[Digest, Entries] = field(default_factory=dict)
    """By subject, what refers to it: by the registry's API, and by its fallback tag."""


class _Follower(Struct, frozen=True):
    """What a tag came to. Its bytes are not kept: there may be many."""

    held: Held | None = None
    """None for a fallback tag of which only some entries are wanted: the artifacts come without it."""
    entries: Entries = ()
    """What it lists where it is a fallback tag."""


class Followers:
    """Finds and completes what follows the images of one repository, each follower once in a run."""

    def __init__(self, walk: Walk, listing: Listing, known: Mapping[str, Held]) -> None:
        self._walk = walk
        self._listing = listing
        self._known = known
        """The tags that are held: of one that has not moved, no manifest is fetched."""
        self._found: dict[tuple[str | Digest, Kinds], _Follower | None] = {}
        self._locks: dict[tuple[str | Digest, Kinds], asyncio.Lock] = {}

    async def of(self, held: Held, kinds: Kinds) -> Following:
        """What follows ``held``, what follows that, and so on: all of it complete. Raises MirrordError."""
        tags: dict[str, Held] = {}
        referrers: dict[Digest, Entries] = {}
        new, seen = {held.digest, *held.children}, set[Digest]()
        for _ in range(MAX_CHAIN):
            if not new:
                break
            seen |= new
            candidates: list[str | Digest] = [*await self._listing.followers_of(new), *sorted(new)]
            new = set()
            for candidate in candidates:
                found = await self._complete(candidate, kinds, held.source)
                if found is None:
                    continue
                subject = candidate if isinstance(candidate, Digest) else followed_digest(candidate)
                if found.entries and subject is not None:
                    referrers[subject] = united(referrers.get(subject, ()), found.entries)
                    new |= digests_in(found.entries) - seen
                if found.held is not None and isinstance(candidate, str):
                    tags[candidate] = found.held
                    new |= {found.held.digest, *found.held.children} - seen
        return Following(tags, referrers)

    async def _complete(self, candidate: str | Digest, kinds: Kinds, source: Source) -> _Follower | None:
        place = candidate, kinds
        async with self._locks.setdefault(place, asyncio.Lock()):
            if place not in self._found:
                fetch = self._tag(candidate, kinds, source) if isinstance(candidate, str) else None
                self._found[place] = await (fetch or self._api(Digest.parse(str(candidate)), kinds, source))
            return self._found[place]

    async def _tag(self, tag: str, kinds: Kinds, source: Source) -> _Follower | None:
        """A follower by its tag; None where there is none, or none that is wanted."""
        try:
            manifest = await self._manifest(tag)
        except NotFoundError:  # most of those that are guessed
            return None
        is_fallback = manifest.kind.is_index and tag.count(".") == 0
        if is_fallback and kinds.globs:
            return _Follower(entries=await self._bring_all(manifest.children, kinds, source))
        if not is_fallback and not kinds.want_manifest(manifest):
            return None
        held = await self._walk.complete(manifest, PlatformChoice(), source)
        return _Follower(held, tuple(map(entry_of, manifest.children)) if is_fallback else ())

    async def _manifest(self, tag: str) -> Manifest:
        """What a tag names now: in one HEAD where that is held. Raises NotFoundError and the like."""
        walk, before = self._walk, self._known.get(tag)
        if before is not None:
            known = await self._listing.known_digest(tag, 0)
            digest = known or (await walk.registries.head_manifest(walk.upstream, tag)).digest
            held = await walk.store.read_manifest(walk.name, before.digest) if digest == before.digest else None
            if held is not None:
                return held
        return await walk.registries.get_manifest(walk.upstream, tag)

    async def _api(self, subject: Digest, kinds: Kinds, source: Source) -> _Follower | None:
        """What the registry's API says that refers to ``subject``; None where it has none."""
        listed = await self._walk.registries.list_referrers(self._walk.upstream, subject)
        return _Follower(entries=await self._bring_all(listed, kinds, source)) if listed else None

    async def _bring_all(self, artifacts: Iterable[Descriptor], kinds: Kinds, source: Source) -> Entries:
        wanted = [artifact for artifact in artifacts if kinds.want(artifact.artifact_type)]
        return tuple([entry_of(artifact) for artifact in wanted if await self._bring(artifact, source)])

    async def _bring(self, artifact: Descriptor, source: Source) -> bool:
        """Have an artifact whole; False where its upstream lists it and does not have it."""
        walk = self._walk
        manifest = await walk.store.read_manifest(walk.name, artifact.digest)
        if manifest is None:
            try:
                manifest = await walk.registries.get_manifest(walk.upstream, artifact.digest)
            except NotFoundError as error:
                _log.warning("referrer.missing", repository=str(walk.upstream), error=str(error))
                return False
        if len(manifest.raw) != artifact.size:
            raise InvalidManifestError(
                f"{walk.upstream} lists {artifact.digest} among its referrers with {artifact.size} bytes, "
                f"and it has {len(manifest.raw)}"
            )
        await walk.complete(manifest, PlatformChoice(), source)
        return True
