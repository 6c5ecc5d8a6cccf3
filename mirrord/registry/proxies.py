"""Through which proxy a URL is asked for: the config's, else the environment's as the usual tools read it.

``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` in either case. Its login never shows: not in errors, not in ``repr``.
"""

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote

from msgspec import Struct, field
from yarl import URL

from mirrord.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


class Proxy(Struct, frozen=True):
    """An HTTP proxy."""

    url: URL
    """Without its login."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What it is shown."""
    key: str = ""
    """Where it is from: a key of the config, or a variable."""

    def __repr__(self) -> str:
        return f"Proxy({self.url})"

    @classmethod
    def parse(cls, text: str, key: str) -> "Proxy":
        """Read ``http://user:password@proxy:3128``. Raises ConfigError that does not show it."""
        try:
            url = URL(text if "://" in text else f"http://{text}")
            usable = url.scheme in _PORTS and bool(url.host)
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(f"{key}: what is set is not the URL of an HTTP proxy; expected e.g. http://proxy:3128")
        if url.raw_user is None:
            return cls(url.origin(), {}, key)
        login = f"{unquote(url.raw_user)}:{unquote(url.raw_password or '')}"
        shown = {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        return cls(url.origin(), shown, key)

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.key})"


class Proxies:
    """The proxies that the environment names, and what is asked for without one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._by_scheme = {
            scheme: Proxy.parse(text, name)
            for scheme in _PORTS
            if (named := _named(environment, f"{scheme}_proxy")) and (text := named[1]) and (name := named[0])
        }
        direct = _named(environment, "no_proxy")
        self._direct = tuple(
            part for text in (direct[1].split(",") if direct else ()) if (part := text.strip().lower())
        )
        self._known: dict[tuple[str, str, int | None], Proxy | None] = {}

    def of(self, url: URL) -> Proxy | None:
        """The proxy for ``url``; None: it is asked for directly, as this machine itself always is."""
        if not self._by_scheme:
            return None
        place = (url.scheme, (url.host or "").lower(), url.port)
        if place not in self._known:
            self._known[place] = None if self._is_direct(place[1], url.port) else self._by_scheme.get(url.scheme)
        return self._known[place]

    def _is_direct(self, host: str, port: int | None) -> bool:
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_covers(part, host, port, address) for part in self._direct)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _covers(part: str, host: str, port: int | None, address: _Address | None) -> bool:
    """Whether one part of NO_PROXY (a domain, an address, a network, each maybe with a port, or ``*``) is of a host."""
    if part == "*":
        return True
    name, _, wanted = part.rpartition(":") if part.count(":") == 1 or "]:" in part else (part, "", "")
    if wanted and wanted != str(port):
        return False
    if address is not None:
        try:
            return address in ipaddress.ip_network(name.strip("[]"), strict=False)
        except ValueError:
            return False
    domain = name.removeprefix("*").removeprefix(".")
    return bool(domain) and (host.endswith(f".{domain}") or (host == domain and not name.startswith("*")))


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _named(environment: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """A variable that is set and not empty, by its name in small letters or else in capitals."""
    return next(((each, environment[each]) for each in (name, name.upper()) if environment.get(each)), None)
