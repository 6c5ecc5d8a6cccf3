"""Names of repositories and images: the Docker normalisation, and the names under which the mirror serves them."""

import re
from typing import Self

from msgspec import Struct

from mirrord.errors import InvalidDigestError, InvalidReferenceError
from mirrord.oci.digest import Digest

HUB = "docker.io"
MAX_NAME = 255
"""Characters in a repository name, its host included (distribution-spec, "Pulling manifests")."""
MAX_DEPTH = 10
"""Components of a local name: nginx's maps are rendered that deep."""

_MAX_PORT = 65_535
_SHOWN = 150
"""Characters of a name that an error shows."""
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::(?P<port>[0-9]{{1,5}}))?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_FOLLOWER = re.compile(r"(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?")
_HUB_ALIASES = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag: at most 128 of ``[A-Za-z0-9._-]``, not beginning with a dot or a dash."""
    return _TAG.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Whether ``text`` is a repository name as it stands in a URL: lower-case components, 255 characters at most."""
    return len(text) <= MAX_NAME and _PATH.fullmatch(text) is not None


def is_follower(tag: str) -> bool:
    """Whether ``tag`` belongs to an image by its digest (cosign's tags, the referrers fallback): no image itself."""
    return _FOLLOWER.fullmatch(tag) is not None


def followed_digest(tag: str) -> Digest | None:
    """The digest that a cosign tag or referrers fallback tag follows: ``sha256-<hex>[.sig|.att|.sbom]``, else None."""
    if not _FOLLOWER.fullmatch(tag):
        return None
    try:
        return Digest.parse(tag.partition(".")[0].replace("-", ":", 1))
    except InvalidDigestError:  # a sha512 cut to 64 digits, as the fallback schema allows, names no one digest
        return None


class Repository(Struct, frozen=True, order=True):
    """Where an image lives upstream, e.g. host ``docker.io`` and path ``library/nginx``."""

    host: str
    path: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read ``nginx``, ``prom/prometheus`` or ``quay.io/x/y`` (no tag, no digest). Raises InvalidReferenceError."""
        return cls._checked(name, *_split(name))

    @classmethod
    def of(cls, host: str, path: str) -> Self:
        """A repository by its two parts, as records keep it. Raises InvalidReferenceError."""
        return cls._checked(f"{host}/{path}", host, path)

    @classmethod
    def _checked(cls, name: str, host: str, path: str) -> Self:
        found = _HOST.fullmatch(host)
        if not found or not 0 < int(found["port"] or 1) <= _MAX_PORT:
            raise InvalidReferenceError(
                f"{_shown(name)}: {_shown(host)} is not a registry host; "
                "expected a name such as quay.io, or one with a port"
            )
        if not _PATH.fullmatch(path):
            message = (
                f"{_shown(name)} is not a repository name; expected lower-case components joined by /, "
                "each of a-z and 0-9 with single . _ __ or - in between"
            )
            raise InvalidReferenceError(message)
        if len(host) + 1 + len(path) > MAX_NAME:
            raise InvalidReferenceError(f"{_shown(name)} is longer than the {MAX_NAME} characters a name may have")
        return cls(host, path)

    def local_name(self) -> str:
        """The name the mirror serves it under: Docker Hub's host is elided, a port's colon becomes ``_``.

        Raises InvalidReferenceError where that name would mean something else or can't be a name.
        """
        if self.host == HUB:
            first, _, rest = self.path.partition("/")
            name = rest if first == "library" and rest and "/" not in rest else self.path
            clear = Repository.parse(name) == self
        else:
            name = f"{self.host.replace(':', '_')}/{self.path}"
            clear = True
        if not clear or not is_local_name(name):
            raise InvalidReferenceError(
                f"{self}: {name!r} can't be a name on the mirror; choose one with `as:` (at most {MAX_DEPTH} parts)"
            )
        return name

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def is_local_name(text: str) -> bool:
    """Whether ``text`` can name a repository on the mirror: a name of at most ten components."""
    return is_path(text) and text.count("/") < MAX_DEPTH


class Reference(Struct, frozen=True, order=True):
    """One image: a repository with a tag, a digest, both (pinned), or neither."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``name[:tag][@digest]``. Raises InvalidReferenceError that says which part is wrong."""
        rest, at, digest_text = text.partition("@")
        digest = None
        if at:
            try:
                digest = Digest.parse(digest_text)
            except InvalidDigestError as error:
                raise InvalidReferenceError(f"{_shown(text)}: {error}") from error
        head, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            head, tag = rest, ""
        elif not is_tag(tag):
            raise InvalidReferenceError(
                f"{_shown(text)}: {_shown(tag)} is not a tag; "
                "expected at most 128 of A-Z a-z 0-9 . _ -, not beginning with . or -"
            )
        return cls(Repository.parse(head), tag or None, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}@{self.digest}" if self.digest else f"{self.repository}{tag}"


def _shown(text: str) -> str:
    """A text as an error shows it: whoever wrote it may have written a lot."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


def _split(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and (any(c in first for c in ".:[") or first.lower() == "localhost")
    lowered = first.lower() if first.isascii() else first  # a Kelvin sign is no k
    host, path = (lowered, rest) if is_host else (HUB, name)
    if host in _HUB_ALIASES:
        host = HUB
        if path and "/" not in path:
            path = f"library/{path}"
    return host, path
