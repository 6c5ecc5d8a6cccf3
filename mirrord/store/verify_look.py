"""Looking at one path of a root as if somebody had tampered with it: no link is followed, nothing is waited for.

What is not as it should be becomes a finding; an error of the host about one path is one too, and stops nothing.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from msgspec import Struct, field

from mirrord.oci.digest import Digest, hashes_to
from mirrord.store import durable
from mirrord.store.reading import ABSENT, read_beneath
from mirrord.store.verify_finding import Damage, Finding, Found

CHUNK = 1 << 20
"""Bytes read at once."""

_PIECE = 64 << 10
"""Bytes of a document read at once."""

_KINDS = (
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISREG, "a file"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
)
_FILE = stat.S_IFREG | durable.FILE_MODE
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Place(Struct, frozen=True):
    """One path and what should be there."""

    path: Path
    what: str
    """In words: ``the tag list``."""
    mode: int = durable.FILE_MODE
    digest: Digest | None = None
    repository: str = ""
    part: str = ""
    named_by: tuple[str, ...] = ()


class Eye(Struct, frozen=True):
    """Whoever looks at one root."""

    root: Path
    owner: int
    """The user that everything should belong to."""
    buffer: bytearray = field(default_factory=lambda: bytearray(CHUNK))

    def report(self, found: Found, place: Place, damage: Damage, expected: str, got: str = "") -> None:
        """Take one finding about ``place``."""
        mode = place.mode if damage is Damage.MODE else None
        path = str(place.path.relative_to(self.root))
        found.add(
            Finding(damage, path, expected, got, place.digest, place.repository, place.part, mode, place.named_by)
        )

    def foreign(self, found: Found, path: Path) -> None:
        """Take note of a path that is none of mirrord's."""
        status = self.status(found, Place(path, "nothing"))
        if status is not None:
            self.report(found, Place(path, "nothing"), Damage.FOREIGN, "nothing of that name", _kind(status))

    def status(self, found: Found, place: Place) -> os.stat_result | None:
        """What is at ``place`` itself; None where nothing is, or where the host does not say (a finding)."""
        try:
            return os.lstat(place.path)
        except OSError as error:
            if error.errno not in ABSENT:
                self._unreadable(found, place, error)
            return None

    @contextlib.contextmanager
    def opened(self, room: Path) -> Iterator["Room | None"]:
        """The directory at ``room`` for quick looks into it; None where it is none, or can't be read."""
        try:
            directory = os.open(room, _OPEN | os.O_DIRECTORY)
        except OSError:  # to be looked at more closely
            yield None
            return
        try:
            yield Room(directory, self.owner)
        finally:
            os.close(directory)

    def file(self, found: Found, place: Place) -> os.stat_result | None:
        """The status of the regular file at ``place``, its mode and owner checked; None where it is none."""
        status = self.status(found, place)
        if status is None:
            self.report(found, place, Damage.MISSING, place.what)
        elif self.is_regular(found, place, status):
            self.permissions(found, place, status)
            return status
        return None

    def is_regular(self, found: Found, place: Place, status: os.stat_result) -> bool:
        """Whether ``status`` is a regular file's; anything else in its place is a finding."""
        if not stat.S_ISREG(status.st_mode):
            self.report(found, place, Damage.KIND, place.what, _kind(status))
        return stat.S_ISREG(status.st_mode)

    def directory(self, found: Found, place: Place) -> bool:
        """Whether a directory is at ``place``; its mode and owner are checked."""
        status = self.status(found, place)
        if status is None:
            self.report(found, place, Damage.MISSING, place.what)
            return False
        if not stat.S_ISDIR(status.st_mode):
            self.report(found, place, Damage.KIND, place.what, _kind(status))
            return False
        self.permissions(found, place, status)
        return True

    def link(self, found: Found, place: Place, target: str) -> None:
        """Check that the symlink ``target`` is at ``place``."""
        status = self.status(found, place)
        if status is None:
            self.report(found, place, Damage.MISSING, f"{place.what}: a symlink to {target}")
        elif not stat.S_ISLNK(status.st_mode):
            self.report(found, place, Damage.KIND, f"{place.what}: a symlink to {target}", _kind(status))
        elif (says := os.readlink(place.path)) != target:
            self.report(found, place, Damage.LINK, f"{place.what}: a symlink to {target}", f"to {says}")
        elif status.st_uid != self.owner:
            self.report(found, place, Damage.OWNER, f"user {self.owner}", f"user {status.st_uid}")

    def permissions(self, found: Found, place: Place, status: os.stat_result) -> None:
        """Check mode and owner."""
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            mode &= ~stat.S_ISGID  # inherited from the directory above, on some hosts
        if mode != place.mode:
            self.report(found, place, Damage.MODE, f"{place.mode:04o}", f"{mode:04o}")
        if status.st_uid != self.owner:
            self.report(found, place, Damage.OWNER, f"user {self.owner}", f"user {status.st_uid}")

    def names(self, found: Found, place: Place) -> list[str]:
        """The names in the directory at ``place``, sorted; none where it is none, or can't be read (a finding)."""
        try:
            descriptor = os.open(place.path, _OPEN | os.O_DIRECTORY)
        except OSError as error:
            if error.errno not in ABSENT:
                self._unreadable(found, place, error)
            return []
        try:
            return sorted(os.listdir(descriptor))
        except OSError as error:
            self._unreadable(found, place, error)
            return []
        finally:
            os.close(descriptor)

    def read(self, found: Found, place: Place, limit: int) -> bytes | None:
        """All of the small file at ``place``, checked as `file` does; None where it can't be read (a finding)."""
        status = self.file(found, place)
        if status is None:
            return None
        if status.st_size > limit:
            words = f"{place.what}, of {limit} bytes at most"
            self.report(found, place, Damage.DOCUMENT, words, f"{status.st_size} bytes")
            return None
        return self.contents(found, place, limit)

    def contents(self, found: Found, place: Place, limit: int) -> bytes | None:
        """The first ``limit`` bytes of the regular file at ``place``; None where it is gone, or unreadable."""
        try:
            descriptor = os.open(place.path, _OPEN)
            try:
                pieces = []
                while limit > 0 and (piece := os.read(descriptor, min(limit, _PIECE))):
                    pieces.append(piece)
                    limit -= len(piece)
                return b"".join(pieces)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in ABSENT:
                self._unreadable(found, place, error)
            return None

    def hashes(self, found: Found, place: Place, digest: Digest) -> Generator[int, None, bool]:
        """Whether the file at ``place`` hashes to ``digest``; yields the bytes read so far, chunk by chunk.

        The disk is asked, not the memory: pages that are there already say nothing of the disk, and those of the
        scrub would push out what clients ask for.
        """
        hasher, size = digest.hasher(), 0
        try:
            descriptor = os.open(place.path, _OPEN)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                view = memoryview(self.buffer)
                while count := os.readv(descriptor, [view]):
                    hasher.update(view[:count])
                    size += count
                    yield count
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in ABSENT:
                self._unreadable(found, place, error)
            return False
        got = f"{digest.algorithm}:{hasher.hexdigest()}"
        if got != str(digest):
            self.report(found, place, Damage.BYTES, str(digest), f"{size} bytes that hash to {got}")
        return got == str(digest)

    def _unreadable(self, found: Found, place: Place, error: OSError) -> None:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.ENODEV}:
            self.report(found, place, Damage.KIND, place.what, "a link or device, put there meanwhile")
        else:
            self.report(found, place, Damage.UNREADABLE, place.what, str(error.strerror))


class Room(Struct, frozen=True):
    """An open directory: each look is one or two system calls, and says only whether all is as it usually is.

    Whatever is not is to be looked at more closely, by its path, as an `Eye` does.
    """

    descriptor: int
    owner: int

    def is_file(self, name: str, other: str) -> bool:
        """Whether ``name`` is a regular file of right mode and owner, and the same one as at the path ``other``."""
        try:
            status, same = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False), os.lstat(other)
        except OSError:
            return False
        is_right = status.st_mode == _FILE and status.st_uid == self.owner
        return is_right and (status.st_ino, status.st_dev) == (same.st_ino, same.st_dev)

    def is_link(self, name: str, target: str) -> bool:
        """Whether ``name`` is the symlink ``target``, of right owner."""
        try:
            if os.readlink(name, dir_fd=self.descriptor) != target:
                return False
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_uid == self.owner
        except OSError:
            return False

    def hashed(self, name: str, digest: str, buffer: bytearray) -> os.stat_result | None:
        """The status of a small file of right mode and owner that hashes to ``digest``; None for anything else.

        It is known to be a regular file by now. The disk is asked, as in `Eye.hashes`.
        """
        try:
            descriptor = os.open(name, _OPEN, dir_fd=self.descriptor)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if status.st_mode != _FILE or status.st_uid != self.owner or status.st_size >= len(buffer):
                return None
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            count = os.readv(descriptor, [buffer])
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        is_right = count == status.st_size and hashes_to(memoryview(buffer)[:count], digest)
        return status if is_right else None

    def contents(self, name: str, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a file; None where it can't be read."""
        try:
            return read_beneath(self.descriptor, name, limit)
        except OSError:
            return None


def _kind(status: os.stat_result) -> str:
    return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "a device")


def confirmed(look: Callable[[Found], Iterator[int]], into: Found) -> Iterator[int]:
    """Look and, where anything is wrong, look again: only what is wrong both times is taken for damage.

    What a run at work changes between two steps of one look is whole in the next: whatever it makes or removes has,
    or loses, its name in one rename.
    """
    first = Found()
    yield from look(first)
    if first:
        again = Found()
        yield from look(again)
        into.take(first.seen_again(again))
