"""Opening files of the tree, and bringing them into the page cache piece by piece, from where sendfile(2) sends them.

Every look at the disk is made in a worker thread. Most would be answered from memory in less time than the thread
costs; but a cold directory, a disk kept busy by a sync, or one that hangs takes as long as it likes, and the loop that
would wait also runs the syncs and feeds the watchdog. The threads are the server's own: readers that wait for the disk
hold up nothing else. sendfile(2) waits for the disk too, so a thread fetches each piece into the page cache before the
loop sends it. No byte of a large file passes through this process, and a slow reader costs it no memory.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.serve.ranges import Part, RangeRequest
from mirrord.store.reading import open_file, read_file

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

SMALL: Final = 1 << 16
"""Bytes that are read and answered at once; what is larger is sent by sendfile(2)."""
PIECE: Final = 1 << 20
"""Bytes fetched into the page cache, and then sent, at a time."""
_THREADS: Final = 8


class Opened(Struct, frozen=True):
    """A part of a file, which stays readable when the file is deleted meanwhile."""

    status: int
    """200 for the whole file, 206 for a part."""
    part: Part
    whole: bytes | None
    """The part itself where it is small."""
    file: FileIO
    """Closed where ``whole`` is there; else whoever holds this value closes it."""

    def fetch(self, position: int, sink: int) -> int:
        """Have the kernel read the next bytes from ``position`` on into its cache, and give their number.

        ``sink`` is a descriptor of /dev/null: sending there reads and copies nothing. Raises HostError where the file
        ends before the part does.
        """
        wanted = min(PIECE, self.part.stop - position)
        fetched = 0
        while fetched < wanted:
            piece = os.sendfile(sink, self.file.fileno(), position + fetched, wanted - fetched)
            if not piece:
                raise self.cut(position + fetched)
            fetched += piece
        return fetched

    def cut(self, position: int) -> HostError:
        """What is wrong with a file that ends at ``position``, before its part does."""
        return HostError(f"{self.file.name}: ends at byte {position} of {self.part.size}; it was cut while read")


class Unsatisfiable(Struct, frozen=True):
    """The file has ``size`` bytes, and none of those that were asked for."""

    size: int


def read_document(root: Path, path: Path, limit: int) -> bytes | None:
    """All of a file below ``root``, None where it is absent. Raises HostError for what is none, or above ``limit``."""
    try:
        return read_file(root, path, limit)
    except FileNotFoundError:
        return None


def open_part(root: Path, path: Path, wanted: RangeRequest, etag: str) -> Opened | Unsatisfiable | None:
    """Open the wanted part of the file below ``root`` whose ETag is ``etag``; None where there is no such file.

    Raises HostError for what is no file.
    """
    try:
        file = FileIO(path, opener=lambda name, _: open_file(root, Path(name)))
    except FileNotFoundError:
        return None
    is_large = False
    try:
        size = os.fstat(file.fileno()).st_size
        found = wanted.part_of(size, etag)
        if found is None:
            return Unsatisfiable(size)
        status, part = found
        is_large = part.length > SMALL
        return Opened(status, part, None if is_large else os.pread(file.fileno(), part.length, part.start), file)
    finally:
        if not is_large:
            file.close()


class Workers:
    """The threads in which the disk is looked at."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="serve")
        self._sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    async def call(self, look: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """What ``look`` gives, from a thread. Raises HostError where the disk refuses."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, look, *arguments)
        except OSError as error:
            where = error.filename or "the tree"
            raise HostError(f"{where}: can't be read: {error.strerror}; check its owner, mode and disk") from error

    async def fetch(self, opened: Opened, position: int) -> int:
        """Bring the next piece of a file into the page cache; gives its bytes. Raises HostError."""
        return await self.call(opened.fetch, position, self._sink)

    def release(self, file: FileIO) -> None:
        """Close a file, without waiting: the last one to let go of a deleted file may wait for the disk to free it."""
        self._pool.submit(file.close)

    def close(self) -> None:
        """End the threads."""
        self._pool.submit(os.close, self._sink)
        self._pool.shutdown(wait=False)
