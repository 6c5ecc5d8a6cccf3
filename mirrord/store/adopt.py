"""Taking over bytes that another tool has: copied into the pool, hashed on the way, whatever their names say.

Nothing of the other tree is linked or changed: its files stay its own. What can't be proved is told and left.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from msgspec import Struct, field

from mirrord.errors import DigestMismatchError, InvalidManifestError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Descriptor, parse_manifest
from mirrord.store import pool
from mirrord.store.foreign import Candidate, Foreign, Stranger
from mirrord.store.many import each
from mirrord.store.store import SMALL, Store

T = TypeVar("T")

_AT_ONCE = 32
"""Files in work at once: small ones share a batch."""
_TAKEN = 512
"""Names that are read from the other tree at a time."""
_CHUNK = 4 << 20
_TOLD = 1000
"""Files left that are told one by one; the rest is counted."""


class Meter(Protocol):
    """What an adoption moves while it goes."""

    bytes_total: int
    bytes_done: int
    files_done: int
    damages: int


class Left(Struct, frozen=True):
    """A file that was not taken, and why."""

    path: str
    reason: str


class Adopted(Struct):
    """What came of an adoption."""

    files: int = 0
    bytes: int = 0
    """Copied now."""
    shared: int = 0
    """Of these bytes, those whose blocks both trees have together."""
    here_already: int = 0
    """Files whose bytes the pool had."""
    left: list[Left] = field(default_factory=list)
    more: int = 0
    """Files left that are not in the list."""

    def leave(self, path: str, reason: str) -> None:
        """Take note of a file that is not taken."""
        if len(self.left) < _TOLD:
            self.left.append(Left(path, reason))
        else:
            self.more += 1


class _UnreadableError(Exception):
    """A file of the other tree can't be read: it is left, and the others are taken."""


async def adopt(store: Store, foreign: Foreign, meter: Meter) -> Adopted:
    """Copy every file of ``foreign`` that is what its name says into the pool.

    Raises ConfigError where there is no such tree, and HostError where this host fails: what was taken by then stays.
    """
    await store.run(lambda: foreign.require(store.layout))
    await store.run(lambda: _measure(foreign, meter))
    work = _Adoption(store, foreign, meter)
    walk = foreign.walk()
    try:
        while found := await store.run(lambda: list(itertools.islice(walk, _TAKEN))):
            await each(work.take, found, _AT_ONCE)
    finally:
        await store.run(walk.close)  # type: ignore[attr-defined] # it is a generator, and holds directories open
    return work.result


def _measure(foreign: Foreign, meter: Meter) -> None:
    """Add up what there is, for whoever shows progress."""
    for found in foreign.walk():
        if isinstance(found, Candidate):
            try:
                meter.bytes_total += os.lstat(foreign.place.joinpath(*found.parts)).st_size
            except OSError:
                continue  # told when it is its turn


class _Adoption(Struct):
    store: Store
    foreign: Foreign
    meter: Meter
    result: Adopted = field(default_factory=Adopted)
    under_way: set[Digest] = field(default_factory=set)
    """The same bytes may lie there under many names: one of them is copied."""

    async def take(self, found: Candidate | Stranger) -> None:
        """One file, or what is none."""
        self.meter.files_done += 1
        if isinstance(found, Stranger):
            self._leave(str(found), found.reason)
            return
        opened: list[int] = []  # filled by the call itself: whoever is cancelled meanwhile still closes it
        try:
            try:
                await self._theirs(lambda: opened.append(self.foreign.open(found)))
                await self._copy(found, opened[0])
            finally:
                for descriptor in opened:
                    os.close(descriptor)
        except (_UnreadableError, DigestMismatchError, InvalidManifestError) as error:
            self._leave(str(found), str(error))

    async def _copy(self, found: Candidate, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        digest = found.digest or await self._digest_of_manifest(descriptor, size)
        self.meter.bytes_done += size
        if await self.store.run(lambda: self._is_here(digest, size)):
            self.result.here_already += 1
        elif digest not in self.under_way:
            self.under_way.add(digest)
            try:
                await (self._copy_small if size < SMALL else self._copy_large)(digest, size, descriptor)
            finally:
                self.under_way.discard(digest)
            self.result.files += 1
            self.result.bytes += size

    def _is_here(self, digest: Digest, size: int) -> bool:
        """Whether the pool has it; if so it has its whole grace again, for the first sync to find it."""
        if pool.size_in_pool(self.store.layout, digest) != size:
            return False
        pool.begin_grace(self.store.layout, digest)
        return True

    async def _digest_of_manifest(self, descriptor: int, size: int) -> Digest:
        if size > MAX_MANIFEST_SIZE:
            raise InvalidManifestError(f"it has {size} bytes, and a manifest at most {MAX_MANIFEST_SIZE}")
        raw = await self._theirs(lambda: _whole(descriptor, size))
        return parse_manifest(raw).digest

    async def _copy_small(self, digest: Digest, size: int, descriptor: int) -> None:
        raw = await self._theirs(lambda: _whole(descriptor, size))
        if not digest.matches(raw):
            raise DigestMismatchError(f"hashes to {Digest.of(raw, digest.algorithm)}, not to its name")
        await self.store.add_small(digest, raw)

    async def _copy_large(self, digest: Digest, size: int, descriptor: int) -> None:
        async with self.store.download(Descriptor("", digest, size)) as partial:
            if partial is None:  # a run has just brought it
                return
            if partial.offset:  # another's download: copying is as fast as hashing
                await partial.restart()
            is_shared = await partial.clone(descriptor)
            while not is_shared and partial.offset < size:  # no further, should the file grow meanwhile
                at = partial.offset
                chunk = await self._theirs(lambda: os.pread(descriptor, min(_CHUNK, size - at), at))  # noqa: B023 - awaited
                if not chunk:
                    break
                await partial.write([chunk])
            await partial.finish()
            self.result.shared += size if is_shared else 0

    async def _theirs(self, call: Callable[[], T]) -> T:
        """Read the other tree. Raises _UnreadableError: that is its owner's to mend, and no failure of this root."""

        def read() -> T:
            try:
                return call()
            except OSError as error:
                words = "is a link, which is not followed" if error.errno == errno.ELOOP else error.strerror
                raise _UnreadableError(words or str(error)) from error

        return await self.store.run(read)

    def _leave(self, path: str, reason: str) -> None:
        self.meter.damages += 1
        self.result.leave(path, reason)


def _whole(descriptor: int, size: int) -> bytes:
    return b"".join(_pieces(descriptor, size))


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    at = 0
    while at < size and (piece := os.pread(descriptor, size - at, at)):
        yield piece
        at += len(piece)
