"""Completing one image: everything below its manifest that was chosen, depth first, children before their index."""

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct, field

from mirrord.errors import BlockedError, ConfigError, InvalidManifestError, NotFoundError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest, read_platform
from mirrord.oci.platform import Platform, PlatformChoice
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.store.blocks import Blocks
from mirrord.store.many import each
from mirrord.store.record import Held, Source
from mirrord.store.store import Store
from mirrord.sync.outcome import Progress
from mirrord.sync.transfer import Transfer

_MAX_DEPTH = 4
"""Indexes within indexes."""
MAX_BELOW = 20_000
"""Entries of all indexes of one image together: indexes that list each other's children would multiply."""
_AT_ONCE = 64
"""Blobs or children of one manifest in work at once: a task for each of 20,000 would fill the memory."""
_SHOWN = 20
_MAX_CONFIG = 4 << 20
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


class Part(Struct, frozen=True):
    """What one manifest and all below it come to."""

    sizes: dict[Digest, int]
    """Bytes by digest: manifests and blobs held."""
    children: tuple[Digest, ...] = ()
    """Manifests below it, at any depth."""
    platforms: tuple[Platform, ...] = ()


class Extent(Struct, frozen=True):
    """How much of an image is wanted beyond what everybody wants of it."""

    keeps_lacking: bool = False
    """Whether an index is taken whose upstream itself lacks a part of it."""
    with_foreign: bool = False
    """Whether layers that are to be had elsewhere come too."""


class _Met(Struct):
    """How many entries of indexes the walk of one image has met."""

    entries: int = 0


class _Place(Struct, frozen=True):
    """Where in an image a walk is."""

    extent: Extent = field(default_factory=Extent)
    depth: int = 0
    met: _Met = field(default_factory=_Met)

    @property
    def below(self) -> "_Place":
        """One index deeper."""
        return _Place(self.extent, self.depth + 1, self.met)

    def enter(self, index: str, entries: int) -> None:
        """Take note of an index with so many ``entries``. Raises InvalidManifestError where that is too much."""
        if self.depth >= _MAX_DEPTH:
            raise InvalidManifestError(f"{index}: indexes nested deeper than {_MAX_DEPTH}")
        self.met.entries += entries
        if self.met.entries > MAX_BELOW:
            raise InvalidManifestError(f"{index}: the indexes of this image list more than {MAX_BELOW} manifests")


class Walk(Struct, frozen=True):
    """Completes images of one repository."""

    registries: Registries
    store: Store
    transfer: Transfer
    progress: Progress
    name: str
    """The repository's name on the mirror."""
    upstream: Repository
    blocks: Blocks = field(default_factory=Blocks)
    lacking: dict[Digest, bool] = field(default_factory=dict)
    """Parts of indexes that were asked for where such may be lacking, and whether the upstream lacks them."""

    async def complete(
        self, manifest: Manifest, choice: PlatformChoice, source: Source, extent: Extent | None = None
    ) -> Held:
        """Have all of ``manifest`` that is chosen, durable and visible by digest; give its record.

        Raises MirrordError: then the manifest is not visible (children that were completed are, and stay).
        """
        part = await self._complete(manifest, choice, _Place(extent or Extent()))
        return Held(
            digest=manifest.digest,
            kind=manifest.kind,
            size=sum(part.sizes.values()),
            platforms=tuple(dict.fromkeys(map(str, part.platforms))),
            children=part.children,
            first_seen=self.store.now().isoformat(timespec="seconds"),
            source=source,
        )

    async def _complete(self, manifest: Manifest, choice: PlatformChoice, place: "_Place") -> Part:
        blocked = self.blocks.of_digests({manifest.digest, *(blob.digest for blob in manifest.blobs)})
        if blocked is not None:
            raise BlockedError(f"{blocked.what} is blocked since {blocked.since}: {blocked.why or 'no reason given'}")
        if manifest.kind.is_index:
            return await self._complete_index(manifest, choice, place)
        blobs = [blob for blob in manifest.blobs if place.extent.with_foreign or not blob.is_foreign]
        landed = self.transfer.landed
        found = await self.store.survey(self.name, blobs)
        self.transfer.link(found.pooled)
        config: bytes | None = None

        async def have(part: Manifest | Descriptor) -> None:
            nonlocal config
            if isinstance(part, Manifest):
                await self.store.add_small(part.digest, part.raw)
                return
            content = await self.transfer.bring(self.upstream, part, landed)
            if part is manifest.config:
                config = content

        await _all(have, [(part,) for part in (manifest, *found.absent)])
        await self._link(manifest, [*found.pooled, *found.absent])
        sizes = {blob.digest: blob.size for blob in blobs} | {manifest.digest: len(manifest.raw)}
        platform = await self._platform_of(manifest, config)
        return Part(sizes, platforms=(platform,) if platform else ())

    async def _complete_index(self, manifest: Manifest, choice: PlatformChoice, place: "_Place") -> Part:
        chosen = manifest.chosen(choice)
        place.enter(f"{self.upstream}@{manifest.digest}", len(chosen))
        if not manifest.offers(choice):
            offered = sorted({str(c.platform) for c in manifest.children if c.platform})
            shown = ", ".join(offered[:_SHOWN]) + (" and more" if len(offered) > _SHOWN else "")
            raise ConfigError(f"{self.upstream}@{manifest.digest} has none of the platforms {choice}; it has {shown}")
        found: list[Part | None] = await _all(
            self._complete_child, [(manifest, child, choice, place.below) for child in chosen]
        )
        here = [(child, part) for child, part in zip(chosen, found, strict=True) if part is not None]
        if chosen and not here:
            raise UpstreamError(f"{self.upstream}@{manifest.digest}: the upstream lacks every part of it")
        await self.store.add_small(manifest.digest, manifest.raw)
        await self._link(manifest, [])
        sizes = {manifest.digest: len(manifest.raw)}
        for _, part in here:
            sizes |= part.sizes
        below = [digest for child, part in here for digest in (child.digest, *part.children)]
        platforms = [
            platform
            for child, part in here
            for platform in ((child.platform,) if child.platform else part.platforms)
            if not platform.is_unknown
        ]
        return Part(sizes, tuple(dict.fromkeys(below)), tuple(platforms))

    async def _complete_child(
        self, parent: Manifest, child: Descriptor, choice: PlatformChoice, place: "_Place"
    ) -> Part | None:
        """One entry of an index; None where the upstream lacks it, and may."""
        held = await self.store.read_manifest(self.name, child.digest)
        is_suspect = self.store.is_suspect(self.name, child.digest)
        wants_more = place.extent.with_foreign and held is not None and any(blob.is_foreign for blob in held.blobs)
        if held is not None and not held.kind.is_index and not is_suspect and not wants_more:  # present is complete
            blobs = [blob for blob in held.blobs if not blob.is_foreign]
            platform = None if child.platform else await self._platform_of(held)
            sizes = {blob.digest: blob.size for blob in blobs} | {held.digest: len(held.raw)}
            return Part(sizes, platforms=(platform,) if platform else ())
        manifest = held or await self._get_child(parent, child, place)
        return None if manifest is None else await self._complete(manifest, choice, place)

    async def _get_child(self, parent: Manifest, child: Descriptor, place: "_Place") -> Manifest | None:
        try:
            manifest = await self.registries.get_manifest(self.upstream, child.digest)
        except NotFoundError as error:
            if place.extent.keeps_lacking:
                self.lacking[child.digest] = True
                return None
            platform = f" ({child.platform})" if child.platform else ""
            raise UpstreamError(
                f"{self.upstream.host} lists {child.digest}{platform} in {self.upstream}@{parent.digest}, but does not "
                "have it; choose other platforms, or take it without (missing_children: keep)"
            ) from error
        self.lacking[child.digest] = False
        if len(manifest.raw) != child.size:
            raise InvalidManifestError(
                f"{self.upstream}@{parent.digest} says {child.size} bytes for {child.digest}, "
                f"which has {len(manifest.raw)}"
            )
        return manifest

    async def _link(self, manifest: Manifest, blobs: list[Descriptor]) -> None:
        if not await self.store.link(self.name, manifest, blobs):  # bytes left the pool since they were seen
            await _all(self.transfer.bring, [(self.upstream, blob) for blob in blobs])
            if not await self.store.complete(self.name, manifest, blobs):
                raise UpstreamError(
                    f"{self.upstream}@{manifest.digest}: its blobs left the pool twice; next run tries again"
                )

    async def _platform_of(self, manifest: Manifest, content: bytes | None = None) -> Platform | None:
        config = manifest.config
        if config is None or config.media_type not in _IMAGE_CONFIGS or config.size > _MAX_CONFIG:
            return None
        return read_platform(content or await self.store.read_blob(self.name, config))


async def _all(call: Callable[..., Coroutine[Any, Any, Any]], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Run ``call`` with each of ``arguments``, some at once; a first failure cancels the others and is raised alone."""
    results: list[Any] = [None] * len(arguments)

    async def one(numbered: tuple[int, tuple[Any, ...]]) -> None:
        number, given = numbered
        results[number] = await call(*given)

    await each(one, enumerate(arguments), min(_AT_ONCE, len(arguments)))
    return results
