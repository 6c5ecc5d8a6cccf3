"""Which repository of the mirror a request means: its name, containerd's ``ns``, and the aliases of Docker Hub.

Pure, and the same rules as the maps of ``templates/site.conf``; tests/contract holds the two together.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from mirrord.oci.reference import HUB, is_local_name
from mirrord.serve.aliases import NO_ALIASES, Aliases

HUB_HOSTS: Final = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})
_HOST = re.compile(r"([a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*)(?::([0-9]{1,5}))?")
_ESCAPED_COLON = re.compile("%3[Aa]")


class Asked(Struct, frozen=True):
    """Where a request was sent, and for which upstream host."""

    host: str = ""
    """The Host header."""
    ns: str = ""
    """The query's ``ns`` as sent: the host that the image reference named (containerd sends it to its mirrors)."""

    def upstream(self, own_names: frozenset[str]) -> str | None:
        """The upstream host asked for, as it stands in local names; "" for the mirror itself, None for no host at all.

        ``own_names`` are the mirror's public host names; the name it was addressed by is its own too.
        """
        ns = _ESCAPED_COLON.sub(":", self.ns)
        if ns in {"", self.host}:
            return ""
        found = _HOST.fullmatch(ns)
        if not found:
            return None
        name, port = found[1], found[2]
        if name in own_names:
            return ""
        if ns in HUB_HOSTS:
            return HUB
        if port:
            return f"{name}_{port}"
        return name if "." in name or name == "localhost" else None


def own_names(public_url: str | None) -> frozenset[str]:
    """The host names by which the mirror is known, of the URL that clients type."""
    name = urlsplit(public_url).hostname if public_url else None
    return frozenset({name} if name else ())


def local_name(asked: str, upstream: str | None, aliases: Aliases = NO_ALIASES) -> str | None:
    """The repository of the mirror that ``asked`` means for ``upstream``, or None where none can be meant.

    Asking again for the answer gives the answer: nginx hands resolved names on to the daemon.
    """
    if upstream is None:
        return None
    spoken = _of_hub(asked, upstream) if upstream in {"", HUB} else _of_host(asked, upstream)
    name = aliases.resolve(spoken) if spoken is not None else None
    return name if name is not None and is_local_name(name) else None


def _of_hub(asked: str, upstream: str) -> str | None:
    """``docker.io/x`` where Docker Hub is what is meant: by its name, by ``ns``, or by its ``library/``."""
    path = asked.removeprefix(f"{HUB}/")
    first, slash, rest = path.partition("/")
    if first == "library" and rest and "/" not in rest:
        return f"{HUB}/{rest}"
    of_hub = path != asked or upstream == HUB
    if of_hub and slash and ("." in first or first == "localhost"):
        return None  # docker.io/quay.io/x: another host's name, which Docker Hub has no repository for
    return f"{HUB}/{path}" if of_hub else path


def _of_host(asked: str, upstream: str) -> str:
    """``hosts.toml`` with ``override_path`` names the host twice, in ``ns`` and in the path."""
    return asked if asked.startswith(f"{upstream}/") else f"{upstream}/{asked}"
