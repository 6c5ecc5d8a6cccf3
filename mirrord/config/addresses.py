"""Hosts, URLs, networks and listening addresses in the config: how they are written. Connects to nothing."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from mirrord.config.document import shown
from mirrord.config.scalars import Scalar, text_like
from mirrord.errors import InvalidReferenceError
from mirrord.oci.reference import Repository

_HIGHEST_PORT = 65_535
_SHOWN = 100
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):([0-9]{1,5})")


def parse_host(text: str) -> str:
    """A registry's host as images name it, in one spelling. Raises ValueError."""
    if "://" in text or text.endswith("/"):
        host = text.partition("://")[2].strip("/") or text.strip("/")
        raise ValueError(f"{shown(text)} is not a host; write {shown(host)} alone (endpoint: says how to connect)")
    try:
        return _named_host(text)
    except InvalidReferenceError:
        raise ValueError from None


def _named_host(text: str) -> str:
    host = Repository.parse(f"{text}/x/y").host
    if host == "docker.io" and text.lower() not in {"docker.io", "index.docker.io", "registry-1.docker.io"}:
        raise ValueError(
            f"{shown(text)} is not a registry host; one has a dot, a port or is localhost, as the images name it"
        )
    return host


def parse_origin(text: str) -> str:
    """``https://host[:port]``, without anything after it. Raises ValueError."""
    if "@" in text:
        raise ValueError("this address holds credentials; they belong in username and password_file or the like")
    parts = _split(text)
    if parts.scheme not in {"http", "https"}:
        if re.fullmatch(r"[A-Za-z0-9.\[\]:-]+", text) and "://" not in text:
            host = text[:_SHOWN]
            raise ValueError(f"{shown(text)} has no scheme; write https://{host} or http://{host}")
        raise ValueError
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"{shown(text)} goes on after the host; write scheme, host and port alone")
    if not parts.hostname:
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def parse_url(text: str) -> str:
    """An http or https URL of any path, which may hold a secret. Raises ValueError that does not show it."""
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
        raise ValueError("this value is not a URL; write http://… or https://…")
    return str(text)


def parse_listen(text: str) -> tuple[str, int]:
    """The address and port of ``127.0.0.1:5050``, ``[::1]:5050`` or ``:5050`` (all addresses). Raises ValueError."""
    found = _LISTEN.fullmatch(text)
    if not found or int(found[2]) > _HIGHEST_PORT:
        raise ValueError(f"{shown(text)} is not an address; write host:port, e.g. 127.0.0.1:5050, [::1]:5050 or :5050")
    host = found[1].strip("[]")
    if found[1].startswith("[") or re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{shown(text)}: {shown(host)} is not an IP address") from None
    return host, int(found[2])


def _listen_text(text: str) -> str:
    parse_listen(text)
    return str(text)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(str(text)))
    except ValueError as error:
        if "has host bits set" in str(error):
            network = ipaddress.ip_network(str(text), strict=False)
            raise ValueError(f"{shown(text)} is an address in a network; did you mean {network}?") from None
        raise ValueError from None


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(str(text))
        _ = parts.port  # reading it is what checks it
    except ValueError:
        raise ValueError from None
    return parts


HOST = text_like("a registry host", "it as images name it, e.g. quay.io or registry.lan:5000", parse_host)
ORIGIN = text_like("an address to connect to", "scheme, host and port, e.g. https://10.0.0.7:5000", parse_origin)
URL = text_like("a URL", "http://… or https://…", parse_url)
LISTEN: Scalar[str] = text_like("an address", "host:port, e.g. 127.0.0.1:5050", _listen_text)
NETWORK = text_like("a network", "an address or a network, e.g. 10.0.0.0/8 or 2001:db8::/32", _network)
