"""A sink in memory, for tests of what streams blobs."""

import asyncio
from collections.abc import Sequence

from mirrord.registry.tap import Tap


class MemorySink:
    """Keeps what it gets, and how it got it."""

    def __init__(self, held: bytes = b"") -> None:
        self._content = bytearray(held)
        self.batches: list[int] = []
        """Bytes of each write."""
        self.chunks: list[int] = []
        """Chunks of each write."""
        self.restarts = 0
        self.fails: Exception | None = None
        """Raised by the next write."""
        self.waits: asyncio.Event | None = None
        """Writes take until this is set."""
        self._writing = False

    @property
    def content(self) -> bytes:
        """The bytes held."""
        return bytes(self._content)

    @property
    def offset(self) -> int:
        """Bytes held."""
        return len(self._content)

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Take chunks; a second write at the same time is an error."""
        assert not self._writing
        self._writing = True
        await asyncio.sleep(0.002)  # long enough that the next batch is ready
        if self.waits:
            await self.waits.wait()
        if self.fails:
            raise self.fails
        self.batches.append(sum(map(len, chunks)))
        self.chunks.append(len(chunks))
        for chunk in chunks:
            self._content += chunk
        self._writing = False

    async def draw(self, source: Tap) -> int:
        """Take what a worker thread finds."""
        drawn: list[bytes] = []
        await asyncio.to_thread(_draw, source, drawn)
        await self.write(drawn)
        return sum(map(len, drawn))

    async def restart(self) -> None:
        """Forget all."""
        self.restarts += 1
        self._content.clear()


def _draw(source: Tap, drawn: list[bytes]) -> None:
    room = memoryview(bytearray(1 << 20))
    count = len(room)
    while count == len(room):
        count = source.fill(room)
        drawn.append(bytes(room[:count]))
