"""One blob's download: bytes are hashed as they are written, and only what is verified and durable leaves `staging/`.

A partial survives the process: the next one hashes what is there and asks for the rest. After a power cut it may hold
zeros, so a mismatch of a *resumed* download says nothing about the upstream: it starts once from zero first.
"""

import asyncio
import os
import stat
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar, cast

from mirrord.errors import DigestMismatchError, HostError
from mirrord.oci.digest import Digest
from mirrord.store import durable
from mirrord.store.failures import host_errors
from mirrord.store.layout import Layout
from mirrord.store.pool import adopt

T = TypeVar("T")

_MODE = 0o600
_IOV_MAX = 1024
_CHUNK = 1 << 20
_STEP = 64
"""Chunks that are hashed in one call."""
_WRITEBACK = 8 << 20
"""Bytes after which the kernel is asked to begin writing, so that the fsync at the end is short."""


_kept = threading.local()


def _room() -> memoryview:
    """This thread's buffer: a new one each time would have to be cleared by the kernel each time."""
    if not hasattr(_kept, "room"):
        _kept.room = memoryview(bytearray(_CHUNK))
    return cast("memoryview", _kept.room)


class Run(Protocol):
    """Runs one blocking call on a worker thread of the store."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]:
        """Await the call's result."""


class Source(Protocol):
    """What gives a body's bytes to a worker thread."""

    def fill(self, room: memoryview, /) -> int:
        """Put the next bytes into ``room``, and how many; fewer than there is room for end the call. Raises nothing."""


class Partial:
    """A download in progress: what the registry room writes into. One at a time for a digest."""

    def __init__(self, layout: Layout, digest: Digest, size: int, run: Run) -> None:
        self.digest = digest
        self._layout = layout
        self._size = size
        self._run = run
        self._path = layout.partial(digest)
        self._hasher = digest.hasher()
        self._descriptor = -1
        self._flushed = 0
        self._under_way: asyncio.Future[None] | None = None
        self.offset = 0
        """Bytes held so far: where a resumed transfer begins."""
        self.resumed = False
        """Whether some of the bytes were found on disk rather than received by this process."""

    @property
    def missing(self) -> int:
        """Bytes still to come."""
        return max(self._size - self.offset, 0)

    async def open(self) -> None:
        """Open or create the file and hash what is there. Raises HostError."""
        await self._call(self._open)

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Append ``chunks``: one worker call hashes and writes them. Raises HostError."""
        await self._call(lambda: self._write(chunks))

    async def draw(self, source: Source) -> int:
        """Append what ``source`` gives, and how much that was; one worker call reads, hashes and writes it.

        Once cancelled, the worker may still ask the source for more. Raises HostError.
        """
        begun = self.offset
        await self._call(lambda: self._draw(source))
        return self.offset - begun

    async def restart(self) -> None:
        """Forget all bytes. Raises HostError."""
        await self._call(self._restart)

    async def clone(self, source: int) -> bool:
        """Have all of an open file by sharing its blocks, and hash what is here then; False where that can't be.

        Only with no bytes held. The file stays the other's: only its blocks are shared, and copied once one changes.
        Raises HostError.
        """
        shared: list[bool] = []
        await self._call(lambda: shared.append(durable.share_blocks(source, self._descriptor, self._path)))
        hashed = -1
        while shared[0] and hashed != self.offset:
            hashed = self.offset
            await self._call(self._hash_more)
        return shared[0]

    async def finish(self) -> None:
        """Verify, make durable (B1), and move into the pool.

        Raises DigestMismatchError, having forgotten all bytes, and HostError (the bytes are discarded: a failed
        fsync is never tried again).
        """
        await self._call(self._finish)

    async def close(self) -> None:
        """Let go of the file; what is in it stays for a later resume.

        Only once the worker is done with it: a call whose awaiter was cancelled goes on, and a descriptor closed
        under it might by then be another file's.
        """
        if self._under_way is not None and not self._under_way.done():
            await asyncio.wait([self._under_way])
            self._under_way.exception()  # nobody is left to hear it
        self._close()

    async def _call(self, call: Callable[[], None]) -> None:
        self._under_way = asyncio.ensure_future(self._run(call))
        await asyncio.shield(self._under_way)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._make_writable()
        with host_errors("open", self._path):
            self._descriptor = os.open(self._path, flags, _MODE)
            if os.fstat(self._descriptor).st_size > self._size:
                os.ftruncate(self._descriptor, 0)
            while chunk := os.read(self._descriptor, _CHUNK):
                self._hasher.update(chunk)
                self.offset += len(chunk)
        self.resumed = self.offset > 0

    def _make_writable(self) -> None:
        """Mend what a run killed while it finished left: a read-only name, or one of the pool's own file."""
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            return
        if found.st_nlink > 1 or not stat.S_ISREG(found.st_mode):
            durable.remove_tree(self._path)
        elif stat.S_IMODE(found.st_mode) != _MODE:
            with host_errors("set the mode of", self._path):
                os.chmod(self._path, _MODE)

    def _write(self, chunks: Sequence[bytes]) -> None:
        rest = [memoryview(chunk) for chunk in chunks]
        for chunk in rest:
            self._hasher.update(chunk)
        total = sum(len(chunk) for chunk in rest)
        with host_errors("write", self._path):
            written = os.writev(self._descriptor, rest[:_IOV_MAX])
        if written != total:
            durable.write_all(self._descriptor, b"".join(rest)[written:], self._path)
        self._wrote(total)

    def _draw(self, source: Source) -> None:
        room = _room()
        count = len(room)
        while count == len(room):
            count = source.fill(room)
            self._hasher.update(room[:count])
            durable.write_all(self._descriptor, room[:count], self._path)
            self._wrote(count)

    def _wrote(self, count: int) -> None:
        self.offset += count
        if self.offset - self._flushed >= _WRITEBACK:
            durable.start_writeback(self._descriptor, self._flushed, self.offset - self._flushed)
            self._flushed = self.offset

    def _hash_more(self) -> None:
        with host_errors("read", self._path):
            for _ in range(_STEP):
                chunk = os.pread(self._descriptor, _CHUNK, self.offset)
                self._hasher.update(chunk)
                self.offset += len(chunk)

    def _restart(self) -> None:
        with host_errors("truncate", self._path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hasher = self.digest.hasher()
        self.offset = self._flushed = 0
        self.resumed = False

    def _finish(self) -> None:
        got = f"{self.digest.algorithm}:{self._hasher.hexdigest()}"
        if self.offset != self._size or got != str(self.digest):
            held = self.offset
            self._restart()
            raise DigestMismatchError(
                f"blob {self.digest}: expected {self._size} bytes with that digest, got {held} bytes with {got}"
            )
        try:
            with host_errors("set the mode of", self._path):
                os.fchmod(self._descriptor, durable.FILE_MODE)
            durable.sync_file(self._descriptor, self._path)
        except HostError:
            durable.unlink(self._path, missing_ok=True)
            raise
        adopt(self._layout, self._path, self.digest, self._size)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
