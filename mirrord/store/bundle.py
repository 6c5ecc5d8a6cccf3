"""A bundle: what a mirror has of one snapshot (or more than another), in one file to be carried. The format only.

It is a tar with one way to be written: `bundle.json`, which lists all that follows with digest and size, then records,
manifests and blobs in its order. So it is read without a tar reader: each member's header has to be exactly the one
that the list makes, and where everything lies is known beforehand.
"""

import json
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct

from mirrord.errors import InvalidDigestError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_CONTENT_SIZE, MAX_MANIFEST_SIZE, Kind
from mirrord.oci.reference import is_local_name
from mirrord.store.layout import snapshot_sequence
from mirrord.store.reading import MAX_RECORD

SCHEMA: Final = "mirrord.bundle/1"
HEADER: Final = "bundle.json"
BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
MAX_HEADER: Final = 256 << 20
"""Bytes of a bundle's list: some two million members."""
_SCHEMA = re.compile(re.escape(SCHEMA))
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_TIME = re.compile(r"[0-9T:.+Z-]{1,40}")
_OCTAL_SIZES = 1 << 33
"""From here on a size has no room in eleven octal digits, and is written as GNU's tar does."""
_SIZE_AT = slice(124, 136)
_LONG_NAME = 100


class BundleError(UpstreamError):
    """A bundle that can't be loaded: it is not whole, not what it says, or lacks what this root lacks too."""


class Role(StrEnum):
    """What a member is; the value is its directory in the tar."""

    RECORD = "records"
    MANIFEST = "manifests"
    BLOB = "blobs"


_LIMITS: Final = {Role.RECORD: MAX_RECORD, Role.MANIFEST: MAX_MANIFEST_SIZE, Role.BLOB: MAX_CONTENT_SIZE}


class Member(Struct, frozen=True):
    """One file of a bundle."""

    role: Role
    digest: Digest
    size: int
    repository: str = ""
    """Of a record."""
    kind: Kind | None = None
    """Of a manifest: not every one says itself which of the four it is."""

    @property
    def name(self) -> str:
        """Its name in the tar; a sha512 is two components, for a tar's names are short."""
        digits = self.digest.hex
        halves = digits if len(digits) < _LONG_NAME else f"{digits[:64]}/{digits[64:]}"
        return f"{self.role}/{self.digest.algorithm}/{halves}"


class Bundle(Struct, frozen=True):
    """What `bundle.json` says."""

    snapshot: str
    published: str
    """When that was, there."""
    host: str
    since: str | None
    """The snapshot whose content is left out: whoever loads this has that already."""
    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """The bytes of `bundle.json`: the same for the same content."""
        document = {
            "schema": SCHEMA,
            "snapshot": self.snapshot,
            "published": self.published,
            "host": self.host,
            "since": self.since,
            "records": [[each.repository, str(each.digest), each.size] for each in self.of(Role.RECORD)],
            "manifests": [[str(each.digest), each.size, str(each.kind)] for each in self.of(Role.MANIFEST)],
            "blobs": [[str(each.digest), each.size] for each in self.of(Role.BLOB)],
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The same back. Raises BundleError for anything that no export writes."""
        try:
            document = json.loads(raw)
            _fitting(_SCHEMA, document["schema"], f"format that this mirrord reads: that is {SCHEMA}")
            since = document["since"]
            return cls(
                snapshot=_snapshot(document["snapshot"]),
                published=_fitting(_TIME, document["published"], "time"),
                host=_fitting(_HOST, document["host"], "host's name"),
                since=None if since is None else _snapshot(since),
                members=tuple(_members(document)),
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidDigestError) as error:
            raise BundleError(f"its {HEADER} can't be read: {error}; export and copy it again") from error

    def of(self, role: Role) -> Iterator[Member]:
        """The members of one role."""
        return (member for member in self.members if member.role is role)

    @property
    def origin(self) -> str:
        """In words: ``snapshot 00000012-… of mirror.example``."""
        return f"snapshot {self.snapshot} of {self.host}"


def placed(header: int, members: Iterable[Member]) -> Iterator[tuple[Member, int]]:
    """Each member and where its bytes begin, behind a list of so many bytes."""
    at = 2 * BLOCK + padded(header)
    for member in members:
        yield member, at
        at += BLOCK + padded(member.size)


def length_of(header: int, members: Iterable[Member]) -> int:
    """The bytes of a whole bundle."""
    return BLOCK + padded(header) + sum(BLOCK + padded(member.size) for member in members) + len(END)


def padded(size: int) -> int:
    """``size`` up to the next whole block."""
    return -(-size // BLOCK) * BLOCK


def tar_header(name: str, size: int) -> bytes:
    """The one header (ustar) that a member of that name and size has."""
    length = b"%011o\0" % size if size < _OCTAL_SIZES else b"\x80" + size.to_bytes(11, "big")
    prefix, _, last = name.rpartition("/") if len(name) > _LONG_NAME else ("", "", name)
    before = last.encode().ljust(100, b"\0") + b"0000444\0" + b"0000000\0" * 2 + length + b"00000000000\0"
    after = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2
    after += prefix.encode().ljust(167, b"\0")
    total = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % total + after


def size_in(header: bytes) -> int:
    """The size that the header of `bundle.json` tells. Raises BundleError where it is not that header."""
    try:
        size = int(header[_SIZE_AT][:11], 8)
    except ValueError:
        size = -1
    if not 0 < size <= MAX_HEADER or header != tar_header(HEADER, size):
        raise BundleError(f"it does not begin with {HEADER}: it is no bundle of mirrord export")
    return size


def _members(document: dict[str, Any]) -> Iterator[Member]:
    before = ""
    for name, digest, size in document["records"]:
        if not is_local_name(name) or name <= before:
            raise ValueError(f"{name!r:.60} is no repository's name, or not in its place")
        before = name
        yield Member(Role.RECORD, Digest.parse(digest), _size(Role.RECORD, size), name)
    for role in (Role.MANIFEST, Role.BLOB):
        before = ""
        for digest, size, *kind in document[str(role)]:
            if digest <= before or len(kind) != (role is Role.MANIFEST):
                raise ValueError(f"{digest!r:.60} is not in its place, or not as it should be")
            before = digest
            yield Member(role, Digest.parse(digest), _size(role, size), kind=Kind(kind[0]) if kind else None)


def _size(role: Role, size: object) -> int:
    if type(size) is not int or not 0 <= size <= _LIMITS[role]:
        raise ValueError(f"{size!r:.60} is no size among its {role}")
    return size


def _snapshot(name: str) -> str:
    if snapshot_sequence(name) is None:
        raise ValueError(f"{name!r:.60} is no snapshot's name")
    return name


def _fitting(grammar: re.Pattern[str], text: str, what: str) -> str:
    if not grammar.fullmatch(text):
        raise ValueError(f"{text!r:.60} is no {what}")
    return text
