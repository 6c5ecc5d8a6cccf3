"""Every file of the pool hashed, once; and whether a directory holds anything but what the pool is made of."""

import contextlib
import os
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest, is_digest
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.usage import Room as Counted
from mirrord.store.usage import counted_rooms
from mirrord.store.verify_finding import Found
from mirrord.store.verify_look import Eye, Place, confirmed

_PREFIX = re.compile(r"[0-9a-f]{2}")
_ALGORITHMS = ("sha256", "sha512")

Inode = tuple[int, int]
"""Device and number."""


class Progress(Struct):
    """How far a verification is; whoever shows progress reads it."""

    bytes_total: int = 0
    bytes_done: int = 0
    files_done: int = 0
    damages: int = 0


class PoolCheck(Struct):
    """One pass over the pool."""

    layout: Layout
    eye: Eye
    progress: Progress
    only: frozenset[Digest] | None = None
    """The digests whose files are hashed; None is all."""
    wrong: dict[Digest, Inode] = field(default_factory=dict)
    """Files whose bytes are wrong: whatever else links to them is wrong too."""
    unlinked: int = 0
    """Files that no repository has: garbage, or a run at work."""
    unlinked_bytes: int = 0

    def measure(self) -> Iterator[int]:
        """Add up what there is to hash; yields now and then. Rooms are taken as they were counted, if that is known."""
        known = counted_rooms(self.layout) if self.only is None else {}
        for room in self._rooms(Found()):
            self.progress.bytes_total += self._size(room.path, known)
            yield 0

    def _size(self, room: Path, known: Mapping[str, Counted]) -> int:
        counted, prefix, size = known.get(f"{room.parent.name}/{room.name}"), f"{room.parent.name}:", 0
        with self.eye.opened(room) as opened:
            if opened is None:
                return 0
            if counted is not None and os.fstat(opened.descriptor).st_mtime_ns == counted.changed:
                return counted.bytes
            for name in os.listdir(opened.descriptor):
                if self._is_wanted(prefix + name):
                    with contextlib.suppress(OSError):  # gone since, or to be told of when it is looked at
                        size += os.stat(name, dir_fd=opened.descriptor, follow_symlinks=False).st_size
        return size

    def steps(self, into: Found) -> Iterator[int]:
        """Check everything; yields the bytes read."""
        for room in self._rooms(into):
            above, prefix = room.path.name, f"{room.path.parent.name}:"
            with self.eye.opened(room.path) as opened:
                files = _files(opened.descriptor) if opened else frozenset[str]()
                for name in self.eye.names(into, room):
                    digest, status = prefix + name, None
                    if opened and name in files and name[:2] == above and self._is_wanted(digest):
                        status = opened.hashed(name, digest, self.eye.buffer)
                    if status is not None:
                        self._is_right(status)
                        yield status.st_size
                    else:
                        yield from self._closely(room.path, name, into)
                    self.progress.damages = len(into.findings)
            yield 0

    def _is_wanted(self, digest: str) -> bool:
        return is_digest(digest) and (self.only is None or Digest.parse(digest) in self.only)

    def _is_right(self, status: os.stat_result) -> None:
        self.progress.files_done += 1
        if status.st_nlink == 1:
            self.unlinked += 1
            self.unlinked_bytes += status.st_size

    def _closely(self, room: Path, name: str, into: Found) -> Iterator[int]:
        digest = _digest(room, name)
        if digest is None:
            self.eye.foreign(into, room / name)
        else:
            yield from self._file(room / name, digest, into)

    def hashes(self, found: Found, place: Place, digest: Digest) -> Generator[int, None, bool]:
        """Whether the file at ``place`` hashes to ``digest``, as `Eye.hashes` says; what is not asked for is right."""
        if self.only is not None and digest not in self.only:
            return True
        return (yield from self.eye.hashes(found, place, digest))

    def _file(self, path: Path, digest: Digest, into: Found) -> Iterator[int]:
        place = Place(path, "a file of the pool", digest=digest)

        def look(found: Found) -> Iterator[int]:
            status = self.eye.status(found, place)
            if status is None or not self.eye.is_regular(found, place, status):
                return  # gone since it was listed, where it is absent
            self.eye.permissions(found, place, status)
            is_right = yield from self.hashes(found, place, digest)
            if not is_right:
                self.wrong[digest] = (status.st_dev, status.st_ino)
            elif status.st_nlink == 1 and not found:
                self.unlinked += 1
                self.unlinked_bytes += status.st_size

        yield from confirmed(look, into)
        self.progress.files_done += 1

    def _rooms(self, found: Found) -> Iterator[Place]:
        """The directories that hold the files, what is around them checked."""
        pool = self.layout.root / "pool"
        for algorithm in self.eye.names(found, Place(pool, "the pool")):
            room = Place(pool / algorithm, "a directory of the pool", durable.DIRECTORY_MODE)
            if algorithm not in _ALGORITHMS:
                self.eye.foreign(found, room.path)
            elif self.eye.directory(found, room):
                for prefix in self.eye.names(found, room):
                    inner = Place(room.path / prefix, "a directory of the pool", durable.DIRECTORY_MODE)
                    if not _PREFIX.fullmatch(prefix):
                        self.eye.foreign(found, inner.path)
                    elif self.eye.directory(found, inner):
                        yield inner


def _files(directory: int) -> frozenset[str]:
    """The regular files in an open directory, by what it says of them itself; none where it can't be read."""
    try:
        with os.scandir(directory) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return frozenset()


def _digest(room: Path, name: str) -> Digest | None:
    try:
        digest = Digest.parse(f"{room.parent.name}:{name}")
    except InvalidDigestError:
        return None
    return digest if name[:2] == room.name else None
