"""Every file of the pool hashed, once; and whether a directory holds anything but what the pool is made of."""

import re
from collections.abc import Generator, Iterator
from pathlib import Path

from msgspec import Struct, field

from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest
from mirrord.store import durable
from mirrord.store.layout import Layout
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
        """Add up what there is to hash; yields now and then."""
        found = Found()
        for room in self._rooms(found):
            for name in self.eye.names(found, room):
                digest = _digest(room.path, name)
                if digest is not None and (self.only is None or digest in self.only):
                    status = self.eye.status(found, Place(room.path / name, ""))
                    self.progress.bytes_total += status.st_size if status else 0
            yield 0

    def steps(self, into: Found) -> Iterator[int]:
        """Check everything; yields the bytes read."""
        for room in self._rooms(into):
            for name in self.eye.names(into, room):
                digest = _digest(room.path, name)
                if digest is None:
                    self.eye.foreign(into, room.path / name)
                else:
                    yield from self._file(room.path / name, digest, into)
                self.progress.damages = len(into.findings)
            yield 0

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


def _digest(room: Path, name: str) -> Digest | None:
    try:
        digest = Digest.parse(f"{room.parent.name}:{name}")
    except InvalidDigestError:
        return None
    return digest if name[:2] == room.name else None
