"""What a request target asks for: pure, from the raw target to a route or a refusal.

The raw target is read, not the decoded path: a decoded one would let ``library%2Fnginx`` or ``x/%2e%2e/y`` through.
nginx decides the same, in the same order, in ``templates/site.conf``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, Self
from urllib.parse import unquote

from msgspec import Struct

from mirrord.config.model import Config
from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import HUB, MAX_NAME, is_path, is_tag
from mirrord.serve.aliases import NO_ALIASES, Aliases
from mirrord.serve.errors import Refusal
from mirrord.serve.names import HUB_HOSTS, Asked, local_name, own_names
from mirrord.serve.page_files import PLACES

MAX_PATH: Final = 1000
"""Characters a path may have: the longest name, tag and digest come to half of it."""
HOSTILE: Final = r"%(?!3[Aa])|//|\\|/\.\.?(?:[/?]|$)"
"""What no path may have: any escape but a colon's, an empty or dotted segment, a backslash."""
COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
"""One part of a name, as a regex of Python and of PCRE."""
PREFIX: Final = rf"/(?!v2/){COMPONENT}(?:(?::|%3[Aa])[0-9]{{1,5}})?"
"""How a path in the prefix form begins: /<upstream>/v2/<name>/… is /v2/<upstream>/<name>/…, as some clients say it."""
LONG_NAME: Final = rf"(?:{PREFIX})?/v2/[^?]{{{MAX_NAME + 1},}}/(?:manifests|blobs|tags|referrers)/"
"""How a path with too long a name begins."""
STATUS: Final = rf"/status/((?:[a-z]+|repositories/{COMPONENT}(?:/{COMPONENT})*)\.json|[a-z]+\.jsonl)"
"""What is told of the mirror itself: a file below the root's ``status/``."""

_HOSTILE = re.compile(HOSTILE)
_LONG_NAME = re.compile(LONG_NAME)
_STATUS = re.compile(STATUS)
_PREFIXED = re.compile(rf"/(?!v2/)(?P<host>{COMPONENT})(?::(?P<port>[0-9]{{1,5}}))?(?P<rest>/v2(?:/.*)?)")
_ABSOLUTE = re.compile(r"^https?://[^/?#]*")
_IN_REPOSITORY = re.compile(
    r"/v2/(?P<name>.+)/(?:tags/list|(?P<kind>manifests|blobs|referrers)/(?!(?<=/blobs/)uploads$)(?P<last>[^/]*))"
)
_UPLOADS = re.compile(r"/v2/.+/blobs/uploads(?:/.*)?")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Page(Struct, frozen=True):
    """Which part of a sorted list is asked for: at most ``size`` entries (None: all) after ``last``."""

    size: int | None = None
    last: str = ""


class Ping(Struct, frozen=True):
    """``/v2/``: whether this is a registry."""


class Catalog(Struct, frozen=True):
    """The names of all repositories."""

    page: Page


class TagList(Struct, frozen=True):
    """The tags of a repository."""

    repository: str
    page: Page


class TaggedManifest(Struct, frozen=True):
    """The manifest that a tag names now."""

    repository: str
    tag: str


class DigestManifest(Struct, frozen=True):
    """The manifest of a digest."""

    repository: str
    digest: Digest


class Blob(Struct, frozen=True):
    """The blob of a digest."""

    repository: str
    digest: Digest


class Referrers(Struct, frozen=True):
    """What refers to a digest."""

    repository: str
    digest: Digest


class Status(Struct, frozen=True):
    """A file that tells of the mirror."""

    name: str
    """Below ``status/``: ``status.json``, ``repositories/quay.io/x/y.json``."""


class PageFile(Struct, frozen=True):
    """A file of the page that people look at."""

    name: str
    """``index.html``."""


Route = Ping | Catalog | TagList | TaggedManifest | DigestManifest | Blob | Referrers | Status | PageFile


class Terms(Struct, frozen=True):
    """On which terms requests are read: what only the config knows."""

    own_names: frozenset[str] = frozenset()
    """The mirror's public host names: a client that sends one of them in ``ns`` means the mirror itself."""
    aliases: Aliases = NO_ALIASES
    tells_status: bool = True
    """Whether ``/status/`` is answered."""

    @classmethod
    def of(cls, config: Config | None) -> Self:
        """What a config says. Raises ConfigError where it contradicts itself."""
        if config is None:
            return cls()
        return cls(own_names(config.public_url), Aliases.of(config), config.serve.status)


NO_TERMS: Final = Terms()


def parse_target(target: str, host: str, terms: Terms) -> Route | Refusal:
    """Read a request target as it was sent, and the Host header it came with."""
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    if not path.startswith("/") or len(path) >= MAX_PATH or _HOSTILE.search(path) or _LONG_NAME.match(path):
        return Refusal.TARGET_REFUSED
    path = path.replace("%3A", ":").replace("%3a", ":")
    prefix, path = _unprefixed(path)
    found = _IN_REPOSITORY.fullmatch(path)
    if not found:
        return _outside(prefix, path, query, terms)
    if not is_path(found["name"]):
        return Refusal.NAME_INVALID
    upstream = Asked(host, _argument(query, "ns")).upstream(terms.own_names)
    repository = local_name(f"{prefix}{found['name']}", upstream, terms.aliases)
    return _in_repository(repository, found["kind"] or "tags", found["last"] or "", query)


def _outside(prefix: str, path: str, query: str, terms: Terms) -> Route | Refusal:
    """What belongs to no repository."""
    if path in {"/v2", "/v2/"}:
        return Ping()
    if path in PLACES:
        return PageFile(PLACES[path])
    if path == "/v2/_catalog" and not prefix:
        return Catalog(_page(query))
    if terms.tells_status and (told := _STATUS.fullmatch(path)):
        return Status(told[1])
    return Refusal.UPLOAD_UNKNOWN if _UPLOADS.fullmatch(path) else Refusal.NO_PATH


def _unprefixed(path: str) -> tuple[str, str]:
    """The upstream that the prefix form begins with, as it begins a name ("" for none), and the path after it."""
    found = _PREFIXED.fullmatch(path)
    if not found:
        return "", path
    host = f"{found['host']}_{found['port']}" if found["port"] else found["host"]
    return f"{HUB if host in HUB_HOSTS else host}/", found["rest"]


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
