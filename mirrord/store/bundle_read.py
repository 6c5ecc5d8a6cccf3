"""Reading a bundle's file: its list, and any piece of any member. Neither lengths, names nor bytes are trusted."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from mirrord.errors import ConfigError, MirrordError
from mirrord.store.bundle import (
    BLOCK,
    END,
    Bundle,
    BundleError,
    Member,
    length_of,
    placed,
    size_in,
    tar_header,
)
from mirrord.store.failures import host_errors
from mirrord.store.record import Record

AGAIN = "copy it again and load it again: what was right of it is kept"


class OpenBundle(Struct, frozen=True):
    """A bundle whose list was read, and that is as long as the list says. All of it blocks."""

    path: Path
    descriptor: int
    bundle: Bundle
    offsets: Mapping[Member, int]

    def read(self, member: Member, at: int, size: int) -> bytes:
        """A piece of a member. Raises BundleError where its header is not the one it has to have, or the file ends."""
        start = self.offsets[member]
        if at == 0 and _read(self.path, self.descriptor, start - BLOCK, BLOCK) != tar_header(member.name, member.size):
            raise BundleError(f"{self.path}: where {member.name} should begin is something else; {AGAIN}")
        raw = _read(self.path, self.descriptor, start + at, size)
        if len(raw) != size:
            raise BundleError(f"{self.path} ends within {member.name}; {AGAIN}")
        return raw

    def whole(self, member: Member) -> bytes:
        """All of a small member. Raises BundleError where it does not hash to its digest."""
        raw = self.read(member, 0, member.size)
        if not member.digest.matches(raw):
            raise self.wrong(member)
        return raw

    def record(self, member: Member) -> Record:
        """A repository's record. Raises BundleError for anything else."""
        raw = self.whole(member)
        try:
            record = Record.parse(raw)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MirrordError) as error:
            raise BundleError(f"{self.path}: the record of {member.repository} can't be read: {error}") from error
        if record.name != member.repository:
            raise BundleError(f"{self.path}: the record of {member.repository} is that of {record.name}")
        return record

    def wrong(self, member: Member) -> BundleError:
        """What is said of a member whose bytes are not what its digest says."""
        return BundleError(f"{self.path}: the bytes of {member.name} do not hash to that; {AGAIN}")


@contextlib.contextmanager
def open_bundle(path: Path) -> Iterator[OpenBundle]:
    """Open the bundle at ``path`` and read its list.

    Raises ConfigError where no file is there, BundleError for what is no bundle, or not all of one.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"{path} can't be opened: {error.strerror}; name a bundle of mirrord export") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is no regular file; save the bundle to one: it is read in more than one order")
        yield _opened(path, descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _opened(path: Path, descriptor: int, length: int) -> OpenBundle:
    try:
        size = size_in(_read(path, descriptor, 0, BLOCK))
        bundle = Bundle.parse(_read(path, descriptor, BLOCK, size))
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    whole = length_of(size, bundle.members)
    if length != whole or _read(path, descriptor, whole - len(END), len(END)) != END:
        words = "it is cut short, or still being copied" if length < whole else "something else follows it"
        raise BundleError(
            f"{path} has {length} bytes, and the bundle of {bundle.origin} has {whole}: {words}; "
            f"nothing of it is loaded: {AGAIN}"
        )
    return OpenBundle(path, descriptor, bundle, dict(placed(size, bundle.members)))


def _read(path: Path, descriptor: int, at: int, size: int) -> bytes:
    pieces = []
    with host_errors("read", path):
        while size and (piece := os.pread(descriptor, size, at)):
            pieces.append(piece)
            at, size = at + len(piece), size - len(piece)
    return b"".join(pieces)
