"""What the config alone knows of names: where an image is kept whose `as:` gave it another name than its origin's.

Pure. A *spoken* name is what a client says, the aliases of Docker Hub resolved (names.py): ``quay.io/x/y``, ``nginx``,
or ``docker.io/nginx`` where the client said that it means Docker Hub's. It becomes a name on the mirror here. nginx is
given the same rules as a map (nginx_aliases.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

from msgspec import Struct, field

from mirrord.config.aliases import local_host, origin_name
from mirrord.config.images import Image, images_of
from mirrord.config.model import Config
from mirrord.errors import InvalidReferenceError
from mirrord.oci.reference import HUB, Repository


class Aliases(Struct, frozen=True):
    """Spoken names that don't lead to the repository of the same name."""

    names: Mapping[str, str | None] = field(default_factory=dict)
    """Spoken name → name on the mirror; None for one that would lead to another origin's image."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host (a port's colon as ``_``) → what stands in its place; "" is nothing."""

    @classmethod
    def of(cls, config: Config | None) -> Self:
        """Those of a config; none where there is no config. Raises ConfigError where the config contradicts itself."""
        if config is None:
            return cls()
        hosts = {
            local_host(host): registry.as_
            for host, registry in config.registries.items()
            if registry.as_ is not None and registry.as_ != local_host(host) and (host != HUB or registry.as_)
        }
        return cls(_names(images_of(config), cls({}, hosts)), hosts)

    def __bool__(self) -> bool:
        return bool(self.names or self.hosts)

    def resolve(self, spoken: str) -> str | None:
        """The name on the mirror that a spoken one means, or None where it can mean none."""
        if spoken in self.names:
            return self.names[spoken]
        host, slash, path = spoken.partition("/")
        prefix = self.hosts.get(host) if slash else None
        if prefix is None:
            return self._unprefixed(path) if slash and host == HUB else spoken
        if prefix and path.startswith(f"{prefix}/"):
            return path  # a client that names both, as with a host named twice
        return f"{prefix}/{path}" if prefix else path

    @property
    def taken(self) -> tuple[str, ...]:
        """Prefixes that look like a name of Docker Hub's and are another host's: ``lab`` in ``lab/app``."""
        if HUB in self.hosts:
            return ()
        return tuple(sorted({prefix for prefix in self.hosts.values() if prefix and _is_of_hub(f"{prefix}/x")}))

    def _unprefixed(self, path: str) -> str | None:
        return None if any(path.startswith(f"{prefix}/") for prefix in self.taken) else path


NO_ALIASES: Final = Aliases()


def _names(images: Iterable[Image], by_host: Aliases) -> Mapping[str, str | None]:
    """Only what the hosts' rules don't say already: images that are added to such a host need no new configuration.

    A repository that is mirrored under several names is found by its origin's under the one that the rules give it,
    else under the first.
    """
    known = [(image, spoken) for image in images if not image.is_catalog for spoken in _spoken(image.repository)]
    settled = {spoken for image, spoken in known if by_host.resolve(spoken) == image.local_name}
    found: dict[str, str | None] = {}
    for image, spoken in known:
        if spoken not in settled:
            found.setdefault(spoken, image.local_name)
    for image, _ in known:  # its name may look like one of Docker Hub's, whose image it is not
        spoken = f"{HUB}/{image.local_name}"
        is_another = image.local_name != origin_name(image.repository)
        if image.repository.host == HUB and HUB in by_host.hosts:
            is_another = False  # hub/nginx of Docker Hub, served as hub/…
        if is_another and _is_of_hub(image.local_name) and by_host.resolve(spoken) == image.local_name:
            found.setdefault(spoken, None)
    return found


def _spoken(repository: Repository) -> Iterator[str]:
    name = origin_name(repository)
    if repository.host != HUB:
        yield name
        return
    yield f"{HUB}/{name}"
    if _is_of_hub(name):
        yield name


def _is_of_hub(name: str) -> bool:
    """Whether a name on the mirror reads as one of Docker Hub's."""
    try:
        return Repository.parse(name).host == HUB
    except InvalidReferenceError:
        return False
