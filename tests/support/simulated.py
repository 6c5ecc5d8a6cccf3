"""Upstreams without a network, for weeks of runs in seconds: only the transport is made up, and when it fails."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from mirrord.config.model import Config
from mirrord.demo.images import BuiltImage
from mirrord.errors import DeferredError, NetworkError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.oci.reference import Repository
from mirrord.registry.abilities import Abilities
from mirrord.registry.client import ManifestHead, Registries
from mirrord.sync.run import Upstreams


@dataclass(slots=True)
class World:
    """What all registries have now, and how they are."""

    now: Callable[[], datetime]
    tags: dict[tuple[str, str], BuiltImage] = field(default_factory=dict)
    """By repository (``host/path``) and tag."""
    contents: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    down: dict[str, datetime] = field(default_factory=dict)
    """Hosts that can't be reached, and until when."""
    throttled: dict[str, datetime] = field(default_factory=dict)
    """Hosts that want to be left alone, and until when."""

    def push(self, repository: str, tag: str, built: BuiltImage) -> None:
        """Let a tag name an image."""
        self.tags[repository, tag] = built
        self.contents |= {Digest.of(content): content for content in built.contents()}
        self.manifests |= {manifest.digest: manifest for manifest in built.manifests()}

    def check(self, host: str) -> None:
        """Raise what a request to a host comes to now, where that is no answer."""
        if self.down.get(host, self.now()) > self.now():
            raise NetworkError(f"{host}: connection refused")
        wait = (self.throttled.get(host, self.now()) - self.now()).total_seconds()
        if wait > 0:
            raise DeferredError(f"{host}: too many requests", seconds=wait)


class SimulatedRegistries(Registries):
    """The registries of a world, as one run asks them."""

    def __init__(self, world: World, config: Config, abilities: Abilities) -> None:
        super().__init__(config.registries, config.limits, abilities=abilities)
        self._world = world

    async def __aenter__(self) -> Self:
        return self

    async def head_manifest(self, repository: Repository, reference: str | Digest) -> ManifestHead:
        """What a tag names now."""
        found = await self.get_manifest(repository, reference)
        return ManifestHead(found.digest, found.kind.media_type, len(found.raw))

    async def get_manifest(self, repository: Repository, reference: str | Digest) -> Manifest:
        """A manifest by tag or digest."""
        self.counters.requests += 1
        self._world.check(repository.host)
        built = self._world.tags.get((str(repository), reference)) if isinstance(reference, str) else None
        found = self._world.manifests.get(built.digest if built else reference)  # type: ignore[arg-type] # a tag is none
        if found is None:
            raise NotFoundError(f"{repository}: manifest {reference}: there is none")
        return found

    async def get_blob(self, repository: Repository, blob: Descriptor, elsewhere: str = "") -> bytes:  # noqa: ARG002
        """A blob; all of them are small."""
        self.counters.requests += 1
        self._world.check(repository.host)
        return self._world.contents[blob.digest]


class SimulatedUpstreams(Upstreams):
    """The upstreams of a daemon in a world."""

    def __init__(self, world: World, config: Config) -> None:
        super().__init__(config)
        self._world = world

    def open(self, config: Config, abilities: Abilities) -> Registries:
        """The registries as one run asks them."""
        return SimulatedRegistries(self._world, config, abilities)


def served_as(world: World, names: Mapping[str, str]) -> dict[str, Digest]:
    """What each image (by its name on the mirror, from ``host/path:tag``) is upstream now."""
    return {name: world.tags[tuple(upstream.rsplit(":", 1))].digest for name, upstream in names.items()}  # type: ignore[index] # two parts
