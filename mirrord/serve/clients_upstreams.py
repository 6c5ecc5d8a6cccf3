"""Which upstream hosts clients can be pointed at the mirror for: those that the config or the tree has something of.

Whatever `as:` calls an image, the mirror finds it by its origin's name too (aliases.py), so clients need to know hosts
alone, and their configuration stays right when names on the mirror change.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from mirrord.config.aliases import local_host
from mirrord.config.images import images_of
from mirrord.config.model import Config
from mirrord.config.registries import HUB_ORIGIN, RegistryConfig
from mirrord.oci.reference import HUB, is_local_name
from mirrord.store.tree import Tree

_NO_REGISTRY: Final = RegistryConfig()


class Upstream(Struct, frozen=True):
    """One registry host, as clients name it."""

    host: str
    """As it stands in image references, with its port."""
    origin: str
    """Where clients go when the mirror has not what they want: scheme and host."""
    is_renamed: bool = False
    """Whether the whole host has another name on the mirror (``as:`` of the registry)."""

    @property
    def is_hub(self) -> bool:
        """Whether it is Docker Hub, whose host references leave out."""
        return self.host == HUB

    @property
    def path(self) -> str:
        """What stands before a repository's path where the mirror's own name comes first: a port's colon is ``_``."""
        return local_host(self.host)


def upstreams_of(config: Config | None, tree: Tree | None) -> tuple[Upstream, ...]:
    """Every such host, Docker Hub first, then by name. Raises HostError for a tree that is damaged.

    IPv6 addresses are left out: no name on the mirror can hold one.
    """
    hosts = {host for host in (*_configured(config), *_served(tree)) if is_local_name(local_host(host))}
    registries = config.registries if config else {}
    return tuple(
        _upstream(host, registries.get(host, _NO_REGISTRY))
        for host in sorted(hosts, key=lambda each: (each != HUB, each))
    )


def _upstream(host: str, registry: RegistryConfig) -> Upstream:
    """The origin is where a client without a mirror connects: the config's endpoint is for the mirror's own host."""
    plain = registry.plain_http or f"http://{host}" in registry.endpoint
    origin = HUB_ORIGIN if host == HUB and not plain else f"{'http' if plain else 'https'}://{host}"
    return Upstream(host, origin, registry.as_ not in {None, "" if host == HUB else local_host(host)})


def _configured(config: Config | None) -> Iterator[str]:
    for image in images_of(config) if config else ():
        yield image.repository.host


def _served(tree: Tree | None) -> Iterator[str]:
    for name in tree.repositories() if tree else ():
        record = tree.record(name) if tree else None
        if record is not None:
            yield record.upstream.host
