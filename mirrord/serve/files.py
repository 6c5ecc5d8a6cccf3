"""Opening files of the tree, and sending them piece by piece.

Every look at the disk is made in a worker thread. Most would be answered from memory in less time than the thread
costs; but a cold directory, a disk kept busy by a sync, or one that hangs takes as long as it likes, and the loop that
would wait also runs the syncs and feeds the watchdog. The threads are the server's own: readers that wait for the disk
hold up nothing else. Blobs are read rather than sent by sendfile(2), which waits for the disk in the loop; that costs
a fifth of the throughput.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

from mirrord.errors import HostError
from mirrord.serve.ranges import Part, RangeRequest
from mirrord.store.reading import open_file, read_file

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

CHUNK: Final = 1 << 20
"""Bytes read at a time: what one reader holds in memory."""
_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Opened:
    """A part of a file whose first bytes are read; the rest stays readable when the file is deleted meanwhile."""

    status: int
    """200 for the whole file, 206 for a part."""
    part: Part
    first: bytes
    file: FileIO
    """Closed where ``first`` is all; else whoever holds this value closes it."""

    def read(self, position: int) -> bytes:
        """The next bytes from ``position`` on, never none before the end of the part. Raises HostError."""
        chunk = os.pread(self.file.fileno(), min(CHUNK, self.part.stop - position), position)
        if not chunk:
            raise HostError(f"{self.file.name}: ends at byte {position} of {self.part.size}; it was cut while read")
        return chunk


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
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
    more = False
    try:
        size = os.fstat(file.fileno()).st_size
        found = wanted.part_of(size, etag)
        if found is None:
            return Unsatisfiable(size)
        status, part = found
        first = os.pread(file.fileno(), min(CHUNK, part.length), part.start)
        more = len(first) < part.length
        return Opened(status, part, first, file)
    finally:
        if not more:
            file.close()


class Workers:
    """The threads in which the disk is looked at."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="serve")

    async def call(self, look: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """What ``look`` gives, from a thread. Raises HostError where the disk refuses."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, look, *arguments)
        except OSError as error:
            where = error.filename or "the tree"
            raise HostError(f"{where}: can't be read: {error.strerror}; check its owner, mode and disk") from error

    def release(self, file: FileIO) -> None:
        """Close a file, without waiting: the last one to let go of a deleted file may wait for the disk to free it."""
        self._pool.submit(file.close)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False)
