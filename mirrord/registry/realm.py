"""Which places may hand out tokens for a registry: a realm comes from the upstream, and a login may go there.

With a login, only the registry's own domain, Docker Hub's known place and ``auth_realms`` are trusted
(CVE-2020-15157: logins sent to whatever a 401 names). Without one, any public place reached by TLS will do.
"""

import re

from yarl import URL

from mirrord.errors import AccessError, UpstreamError
from mirrord.oci.reference import HUB
from mirrord.registry.endpoint import Endpoint, has_host, names_inner_address, same_origin

_HUB_REALM = "auth.docker.io"
_MIN_LABELS = 2
_HAS_DOMAIN = re.compile(r"[^:]+\.[^:.]*[a-z][^:.]*")
"""A name with a dot that is no IP address: its last part has a letter."""


async def accept_realm(text: str, endpoint: Endpoint, allowed: tuple[str, ...], *, with_login: bool) -> URL:
    """The realm of a challenge as a URL; ``allowed`` is ``auth_realms``.

    Raises UpstreamError for what is no URL, and AccessError for one that is not trusted, with the reason.
    """
    url = _parse(text, endpoint)
    if same_origin(url, endpoint.origin):
        return url
    host = url.host or ""
    if url.scheme != "https" and not endpoint.is_plain:
        reason = "it is reached without TLS, so anybody in between could read the token"
        raise AccessError(f"{_refused(endpoint, url)} {reason}; its operator corrects the realm")
    if {host, f"{host}:{url.port}"} & set(allowed):
        return url
    if not _is_related(host, endpoint) and (with_login or url.scheme != "https"):
        reason = "it is of another domain, which is not to see the login"
    elif names_inner_address(host) and not await endpoint.is_inside():
        reason = "it is in a private network, and the registry is not"
    else:
        return url
    raise AccessError(
        f"{_refused(endpoint, url)} {reason}; if it is right, add {host} to {endpoint.key('auth_realms')}"
    )


def _parse(text: str, endpoint: Endpoint) -> URL:
    try:
        url = URL(text).with_fragment(None)
        usable = url.scheme in {"http", "https"} and has_host(url) and url.user is None
    except ValueError:
        usable = False
    if not usable:
        raise UpstreamError(
            f"{endpoint} names {text[:100]!r} as the place that hands out tokens; expected an https:// URL"
        )
    return url


def _is_related(host: str, endpoint: Endpoint) -> bool:
    """Whether ``host`` is of the registry's domain: itself, or below what its name is without the first label."""
    names = {endpoint.origin.host or "", URL(f"https://{endpoint.host}").host or ""}
    return (endpoint.host == HUB and host == _HUB_REALM) or any(_is_of_domain(host, name) for name in names)


def _is_of_domain(host: str, name: str) -> bool:
    if host == name or not _HAS_DOMAIN.fullmatch(name):
        return host == name
    labels = name.split(".")
    parent = ".".join(labels[1:]) if len(labels) > _MIN_LABELS else name
    return host == parent or host.endswith(f".{parent}")


def _refused(endpoint: Endpoint, url: URL) -> str:
    return f"{endpoint} sends to {url.origin()} for a token, which is refused:"
