"""Names that would mean two things: what one image is called on the mirror, and what another's origin calls it.

An image that `as:` renames is still found by the name its origin gives it (mirrord.serve.aliases). Both names share one
space, so the config is refused where one of them would lead to two repositories.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from mirrord.config.registries import RegistryConfig
from mirrord.oci.reference import HUB, Repository


class Named(Protocol):
    """What is looked at of an image."""

    @property
    def repository(self) -> Repository:
        """Where it lives upstream."""

    @property
    def local_name(self) -> str:
        """Its name on the mirror."""

    @property
    def where(self) -> str:
        """The place in the config that names it."""

    @property
    def is_catalog(self) -> bool:
        """Whether it stands for many repositories, whose names come later."""


def origin_name(repository: Repository) -> str:
    """The name a repository has on the mirror without `as:`, also where that is no name it could have."""
    if repository.host == HUB:
        first, _, rest = repository.path.partition("/")
        return rest if first == "library" and rest and "/" not in rest else repository.path
    return f"{local_host(repository.host)}/{repository.path}"


def local_host(host: str) -> str:
    """A host as it stands in local names: a port's colon is ``_``."""
    return host.replace(":", "_")


def ambiguities(images: Iterable[Named], registries: Mapping[str, RegistryConfig]) -> Iterator[tuple[str, str]]:
    """The place and the words of each name that would mean two repositories."""
    known = [image for image in images if not image.is_catalog]
    by_origin = {origin: image for image in known if (origin := origin_name(image.repository)) != image.local_name}
    hosts = {
        local_host(host): (host, registry)
        for host, registry in registries.items()
        if registry.as_ not in {None, local_host(host)} and host != HUB
    }
    for image in known:
        other = by_origin.get(image.local_name)
        if other is not None and other.repository != image.repository:
            words = (
                f"by which {other.repository} ({other.where}, there as {other.local_name}) is asked for too; "
                "give one of them another with as:"
            )
            yield image.where, f"{image.repository} would have the name {image.local_name}, {words}"
        host, registry = hosts.get(image.local_name.partition("/")[0], ("", None))
        if registry is not None:
            shown = f"{registry.as_}/…" if registry.as_ else "without their host"
            words = (
                f"but what is asked for below {host} is served {shown} (as: of the registry at {registry.where}); "
                "choose a name that does not begin so"
            )
            yield image.where, f"{image.repository} would have the name {image.local_name}, {words}"
