"""What each client of a registry is told so that it asks this mirror: pure, from values to files and words.

One module a family of clients; here are the values they share and the list of them.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self
from urllib.parse import urlsplit

from msgspec import Struct

from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Repository
from mirrord.serve.clients_upstreams import Upstream

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class MirrorAddress(Struct, frozen=True):
    """How clients reach the mirror."""

    scheme: str
    authority: str
    """Host and port as image references name it: a port is there where the host alone would not be taken for one."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``https://mirror.example``. Raises ConfigError for a URL that can't stand before an image's name."""
        parts = urlsplit(url)
        host = parts.netloc.lower()
        name = parts.hostname or ""
        if "." not in name and ":" not in name and name != "localhost" and parts.port is None:
            host = f"{host}:{DEFAULT_PORTS[parts.scheme]}"  # "mirror/nginx" would be an image of Docker Hub
        try:
            named = Repository.parse(f"{host}/x/y")
        except InvalidReferenceError:
            named = None
        if named is None or named.host != host:
            raise ConfigError(
                f"{url!r} can't be named in image references; expected a host of letters, digits, dots and dashes, "
                "e.g. https://mirror.example or http://10.0.0.5:5000"
            )
        return cls(parts.scheme, host)

    @property
    def url(self) -> str:
        """Scheme and host, as image references name it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def is_plain(self) -> bool:
        """Whether it is spoken to without TLS."""
        return self.scheme == "http"

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on the mirror's own host reach it."""
        name = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    def of(self, upstream: Upstream) -> str:
        """What stands before a repository of ``upstream`` in the mirror's names: ``mirror.example/quay.io``."""
        return f"{self.authority}/{upstream.path}"


class ClientsSite(Struct, frozen=True):
    """What the clients' configuration is rendered for."""

    address: MirrorAddress
    upstreams: tuple[Upstream, ...]
    ca: str = ""
    """Certificates (PEM) of the authority that the mirror's own certificate is from, where clients don't know it."""
    has_login: bool = False
    """Whether readers need a name and a password."""


class ClientFile(Struct, frozen=True):
    """One file of a client's configuration."""

    path: str
    """Where `--write` puts it, below the directory of the client."""
    place: str
    """Where it goes on the client's host, or what is done with it."""
    content: str


class ClientSetup(Struct, frozen=True):
    """All that one client is told."""

    client: str
    files: tuple[ClientFile, ...]
    notes: tuple[str, ...]
    """What to do then, and what can't be had, a sentence or command each."""


Renderer = Callable[[ClientsSite], ClientSetup]


def renderers() -> Mapping[str, Renderer]:
    """By the name of each client, in the order they are printed in."""
    from mirrord.serve import clients_containerd, clients_containers, clients_docker, clients_tools

    return {
        "docker": clients_docker.docker,
        "containerd": clients_containerd.containerd,
        "podman": clients_containers.podman,
        "cri-o": clients_containers.cri_o,
        "k3s": clients_containerd.k3s,
        "buildkit": clients_docker.buildkit,
        "kind": clients_containerd.kind,
        "openshift": clients_containers.openshift,
        "helm": clients_tools.helm,
        "oras": clients_tools.oras,
        "cosign": clients_tools.cosign,
    }


def render(site: ClientsSite, clients: Sequence[str] = ()) -> tuple[ClientSetup, ...]:
    """What ``clients`` (none: all) are told. Raises ConfigError for a client that is not known."""
    known = renderers()
    for name in clients:
        if name not in known:
            raise ConfigError(f"{name!r} is no client that is known here; expected one of {', '.join(known)}")
    return tuple(renderer(site) for name, renderer in known.items() if not clients or name in clients)


def example(site: ClientsSite, path: str = "REPOSITORY") -> str:
    """A repository as it is named when it is asked of the mirror itself, e.g. ``mirror.example/quay.io/REPOSITORY``."""
    named = [each for each in site.upstreams if not each.is_hub]
    return f"{site.address.of(named[0]) if named else site.address.authority}/{path}"
