"""What a request target asks for: pure, from the raw target to a route or a refusal.

The raw target is read, not the decoded path: a decoded one would let ``library%2Fnginx`` or ``x/%2e%2e/y`` through.
nginx decides the same, in the same order, in ``templates/site.conf``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import MAX_NAME, is_path, is_tag
from mirrord.serve.errors import Refusal
from mirrord.serve.names import Asked, local_name

MAX_PATH: Final = 1000
"""Characters a path may have: the longest name, tag and digest come to half of it."""
HOSTILE: Final = r"%(?!3[Aa])|//|\\|/\.\.?(?:[/?]|$)"
"""What no path may have: any escape but a colon's, an empty or dotted segment, a backslash."""
LONG_NAME: Final = rf"/v2/[^?]{{{MAX_NAME + 1},}}/(?:manifests|blobs|tags|referrers)/"
"""How a path with too long a name begins."""

_HOSTILE = re.compile(HOSTILE)
_LONG_NAME = re.compile(LONG_NAME)
_ABSOLUTE = re.compile(r"^https?://[^/?#]*")
_IN_REPOSITORY = re.compile(
    r"/v2/(?P<name>.+)/(?:tags/list|(?P<kind>manifests|blobs|referrers)/(?!(?<=/blobs/)uploads$)(?P<last>[^/]*))"
)
_UPLOADS = re.compile(r"/v2/.+/blobs/uploads(?:/.*)?")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a sorted list is asked for: at most ``size`` entries (None: all) after ``last``."""

    size: int | None = None
    last: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    """``/v2/``: whether this is a registry."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The names of all repositories."""

    page: Page


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a repository."""

    repository: str
    page: Page


@dataclass(frozen=True, slots=True)
class TaggedManifest:
    """The manifest that a tag names now."""

    repository: str
    tag: str


@dataclass(frozen=True, slots=True)
class DigestManifest:
    """The manifest of a digest."""

    repository: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Blob:
    """The blob of a digest."""

    repository: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Referrers:
    """What refers to a digest."""

    repository: str
    digest: Digest


Route = Ping | Catalog | TagList | TaggedManifest | DigestManifest | Blob | Referrers


def parse_target(target: str, host: str, own_names: frozenset[str]) -> Route | Refusal:
    """Read a request target as it was sent, and the Host header it came with."""
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    if not path.startswith("/") or len(path) >= MAX_PATH or _HOSTILE.search(path) or _LONG_NAME.match(path):
        return Refusal.TARGET_REFUSED
    path = path.replace("%3A", ":").replace("%3a", ":")
    if path in {"/v2", "/v2/"}:
        return Ping()
    if path == "/v2/_catalog":
        return Catalog(_page(query))
    found = _IN_REPOSITORY.fullmatch(path)
    if not found:
        return Refusal.UPLOAD_UNKNOWN if _UPLOADS.fullmatch(path) else Refusal.NO_PATH
    if not is_path(found["name"]):
        return Refusal.NAME_INVALID
    repository = local_name(found["name"], Asked(host, _argument(query, "ns")).upstream(own_names))
    return _in_repository(repository, found["kind"] or "tags", found["last"] or "", query)


def _in_repository(repository: str | None, kind: str, last: str, query: str) -> Route | Refusal:
    """``repository`` is None where the name asked for can mean none."""
    if kind == "tags":
        return TagList(repository, _page(query)) if repository else Refusal.NAME_UNKNOWN
    if kind == "manifests" and ":" not in last:
        return TaggedManifest(repository, last) if repository and is_tag(last) else Refusal.MANIFEST_UNKNOWN
    try:
        digest = Digest.parse(last)
    except InvalidDigestError:
        return Refusal.DIGEST_INVALID
    if repository is None:
        return Refusal.BLOB_UNKNOWN if kind == "blobs" else Refusal.MANIFEST_UNKNOWN
    return _BY_DIGEST[kind](repository, digest)


_BY_DIGEST: Final[Mapping[str, Callable[[str, Digest], Route]]] = {
    "manifests": DigestManifest,
    "blobs": Blob,
    "referrers": Referrers,
}


def _page(query: str) -> Page:
    """A size that is no number counts as none: clients send other questions here too, and all are to be ignored."""
    size = _argument(query, "n")
    return Page(int(size) if _NUMBER.fullmatch(size) else None, unquote(_argument(query, "last")))


def _argument(query: str, name: str) -> str:
    """The first value of ``name`` as it was sent, or ""."""
    for item in query.split("&"):
        key, _, value = item.partition("=")
        if key == name:
            return value
    return ""
