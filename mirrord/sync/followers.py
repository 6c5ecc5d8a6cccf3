"""What follows an image by its digest (cosign's tags, the referrers fallback tag): found, completed, and listed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mirrord.errors import AccessError, DeferredError, NotFoundError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest
from mirrord.oci.platform import PlatformChoice
from mirrord.oci.reference import Repository, followed_digest, is_tag
from mirrord.registry.client import Registries
from mirrord.store.record import Held, Source
from mirrord.sync.walk import Walk

SUFFIXES = (".sig", ".att", ".sbom", "")
"""Of the tag ``sha256-<hex>``: cosign's three kinds, and none for the fallback of the referrers API."""

MAX_CHAIN = 8
"""Followers of followers: an upstream that refuses lists could answer each guess with another to follow, for ever."""
Entries = tuple[Mapping[str, Any], ...]
"""The descriptors a referrers document lists."""


@dataclass(slots=True)
class Listing:
    """A repository's tag list, asked for once in a run and only when something needs it."""

    registries: Registries
    upstream: Repository
    _tags: Sequence[str] | None = None
    _followers: dict[Digest, list[str]] = field(default_factory=dict)
    """By subject, out of the list: looked up for each image, so it is gone through once."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tags(self) -> Sequence[str]:
        """Every tag of the upstream repository. Raises what the upstream or the network made fail."""
        async with self._asking:
            if self._tags is None:
                self._tags = await self.registries.list_tags(self.upstream)
                for tag in self._tags:
                    if (subject := followed_digest(tag)) is not None:
                        self._followers.setdefault(subject, []).append(tag)
            return self._tags

    async def followers_of(self, digests: Iterable[Digest]) -> Sequence[str]:
        """The tags that may follow one of ``digests``: out of the list, or guessed where the upstream refuses lists."""
        wanted = set(digests)
        try:
            await self.tags()
            return [tag for digest in sorted(wanted) for tag in self._followers.get(digest, ())]
        except DeferredError:
            raise
        except (AccessError, UpstreamError):  # many registries give images to all, and their list to few
            names = [f"{digest.algorithm}-{digest.hex}{suffix}" for digest in sorted(wanted) for suffix in SUFFIXES]
            return [name for name in names if is_tag(name)]  # of a sha512 none is: a tag has 128 characters at most


@dataclass(frozen=True, slots=True)
class Following:
    """All that follows some images, complete."""

    tags: Mapping[str, Held] = field(default_factory=dict)
    referrers: Mapping[Digest, Entries] = field(default_factory=dict)
    """By subject, what its fallback tag lists."""


_Follower = tuple[Held, Entries | None]
"""A follower, and what it lists where it is a fallback tag. Its bytes are not kept: there may be many."""


class Followers:
    """Finds and completes what follows the images of one repository, each follower once in a run."""

    def __init__(self, walk: Walk, listing: Listing) -> None:
        self._walk = walk
        self._listing = listing
        self._found: dict[str, _Follower | None] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, held: Held) -> Following:
        """What follows ``held``, what follows that, and so on: all of it complete. Raises MirrordError."""
        tags: dict[str, Held] = {}
        referrers: dict[Digest, Entries] = {}
        new, seen = {held.digest, *held.children}, set[Digest]()
        for _ in range(MAX_CHAIN):
            seen |= new
            candidates = await self._listing.followers_of(new) if new else ()
            new = set()
            for tag in candidates:
                found = await self._complete(tag, held.source)
                if found is None:
                    continue
                follower, entries = tags[tag], _ = found
                subject = followed_digest(tag)
                if entries is not None and subject is not None:
                    referrers[subject] = entries
                new |= {follower.digest, *follower.children} - seen
        return Following(tags, referrers)

    async def _complete(self, tag: str, source: Source) -> _Follower | None:
        async with self._locks.setdefault(tag, asyncio.Lock()):
            if tag not in self._found:
                self._found[tag] = await self._fetch(tag, source)
            return self._found[tag]

    async def _fetch(self, tag: str, source: Source) -> _Follower | None:
        try:
            manifest = await self._walk.registries.get_manifest(self._walk.upstream, tag)
        except NotFoundError:  # most of those that are guessed
            return None
        is_fallback = manifest.kind.is_index and tag.count(".") == 0
        held = await self._walk.complete(manifest, PlatformChoice(), source)
        return held, entries_of(manifest) if is_fallback else None


def entries_of(fallback: Manifest) -> Entries:
    """What a referrers fallback tag lists, as a referrers document does (distribution-spec, "Referrers Tag Schema")."""
    return tuple(
        {
            "mediaType": child.media_type,
            "digest": str(child.digest),
            "size": child.size,
            **({"artifactType": child.artifact_type} if child.artifact_type else {}),
            **({"annotations": dict(child.annotations)} if child.annotations else {}),
        }
        for child in fallback.children
    )
