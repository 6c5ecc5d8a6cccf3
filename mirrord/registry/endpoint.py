"""Where a registry is connected to, and which addresses are inside a private network. Connects to nothing itself."""

import asyncio
import ipaddress
import socket
from typing import Self

from msgspec import Struct
from yarl import URL

from mirrord.config.model import RegistryConfig
from mirrord.config.registries import HUB_ORIGIN

_MAX_HOST = 253


class Endpoint(Struct, frozen=True):
    """One registry: the host its images are named by, and the origin that is asked."""

    host: str
    origin: URL

    @classmethod
    def of(cls, host: str, config: RegistryConfig) -> Self:
        """Where the config says to connect for ``host``, first of all."""
        return cls.all_of(host, config)[0]

    @classmethod
    def all_of(cls, host: str, config: RegistryConfig) -> tuple[Self, ...]:
        """Where the config says to connect for ``host``, in order."""
        return tuple(dict.fromkeys(cls(host, URL(origin).origin()) for origin in config.origins(host)))

    @property
    def is_plain(self) -> bool:
        """Whether it is asked without TLS."""
        return self.origin.scheme == "http"

    def url(self, path: str, query: str = "") -> URL:
        """The URL of ``/v2/<path>``; ``query`` is taken as it is where it holds nothing but what a URL may hold."""
        return URL.build(
            scheme=self.origin.scheme,
            authority=self.origin.raw_authority,
            path=f"/v2/{path}",
            query_string=query,
            encoded=True,
        )

    def key(self, name: str = "") -> str:
        """How an error names a key of its config, e.g. ``registries.docker.io.username``."""
        return f"registries.{self.host}.{name}" if name else f"registries.{self.host}"

    async def is_inside(self) -> bool:
        """Whether it is on this machine or in a private network: then it may send to addresses there."""
        host = self.origin.host or ""
        if names_inner_address(host):
            return True
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return all(names_inner_address(str(address[4][0])) for address in found)

    def __str__(self) -> str:
        usual = self.origin in {URL(f"https://{self.host}"), URL(HUB_ORIGIN)}
        return self.host if usual else f"{self.host} (at {self.origin})"


def has_host(url: URL) -> bool:
    """Whether a URL's host can be asked for at all: an address, or a name as DNS has them (RFC 1035, 2.3.4).

    Looking up any other raises UnicodeError, out of the depth of the resolver.
    """
    host = url.raw_host
    if not host or len(host) > _MAX_HOST:
        return False
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def same_origin(one: URL, other: URL) -> bool:
    """Whether two URLs have the same scheme, host and port: only then a credential may follow."""
    return _origin(one) == _origin(other)


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme, (url.host or "").lower(), url.port


def names_inner_address(host: str) -> bool:
    """Whether ``host`` is written as an address that is not public, or as localhost. Resolves nothing."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
