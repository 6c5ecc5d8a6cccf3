"""Content digests: parsing them, and checking bytes against them while they stream."""

import hashlib
import re
from typing import Literal, Protocol, Self

from msgspec import Struct

from mirrord.errors import InvalidDigestError

Algorithm = Literal["sha256", "sha512"]

_GRAMMAR = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")


_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


def is_digest(text: str) -> bool:
    """Whether ``text`` is a whole, lower-case, known digest: what `Digest.parse` takes."""
    return _GRAMMAR.fullmatch(text) is not None


def hashes_to(content: bytes | memoryview, digest: str) -> bool:
    """Whether ``content`` hashes to ``digest``, a text that `is_digest`."""
    algorithm, _, digits = digest.partition(":")
    return _HASHES[algorithm](content).hexdigest() == digits


class Hasher(Protocol):
    """What hashes a stream: the part of a hashlib object that is used here."""

    def update(self, _data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """The digest of all bytes taken so far, lower-case hex."""


class Digest(Struct, frozen=True, order=True):
    """A content digest such as ``sha256:9f86…`` (OCI image-spec, descriptor.md#digests)."""

    algorithm: Algorithm
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``algorithm:hex``. Raises InvalidDigestError for anything but a whole, lower-case, known digest."""
        if not _GRAMMAR.fullmatch(text):
            shown = text if len(text) <= 150 else text[:150] + "…"  # noqa: PLR2004 - a whole sha512 still shows
            message = f"{shown!r} is not a digest; expected sha256: and 64, or sha512: and 128 lower-case hex digits"
            raise InvalidDigestError(message)
        algorithm, _, digits = text.partition(":")
        return cls("sha256" if algorithm == "sha256" else "sha512", digits)

    @classmethod
    def of(cls, content: bytes, algorithm: Algorithm = "sha256") -> Self:
        """The digest of ``content``."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def hasher(self) -> Hasher:
        """A fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def matches(self, content: bytes) -> bool:
        """Whether ``content`` hashes to this digest."""
        return hashlib.new(self.algorithm, content).hexdigest() == self.hex

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
