"""An upstream that answers a process only when it is quiet: so it makes the same system calls in the same order."""

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from support.scripted import Play, Scripted

_POLL = 0.0003
_PIECE = 1 << 20
"""Bytes sent at once: what the product writes in one call."""


@dataclass(slots=True)
class Watch:
    """The process that is answered."""

    process: int
    hurried: frozenset[str] = frozenset()
    """Digests of blobs that are sent though the disk is busy, so that they gather; the last of them is not."""
    sent: int = 0

    async def quiet(self, digest: str = "") -> None:
        """Wait until all its threads sleep: they have dealt with every answer so far, and wait for the next."""
        if digest in self.hurried:
            self.sent += 1
        only_main = 0 < self.sent < len(self.hurried)
        calm = 0
        while calm < 2:
            await asyncio.sleep(_POLL)
            calm = calm + 1 if _sleeps(self.process, only_main=only_main) else 0


def _sleeps(process: int, *, only_main: bool) -> bool:
    """Whether a process (or its main thread) waits for something that is neither the disk nor a tracer."""
    tasks = Path(f"/proc/{process}/task")
    try:
        threads = [tasks / str(process)] if only_main else list(tasks.iterdir())
        return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "S" for thread in threads)
    except OSError:  # it is gone
        return True


class Paced(Scripted):
    """A registry in a thread of its own that takes its time for the process it watches."""

    watch: Watch | None = None

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer when the process is quiet."""
        if self.watch is not None:
            await self.watch.quiet(request.path.rpartition("/")[2])
        try:
            return await super().respond(request)
        except ConnectionError:  # who asked was killed
            return web.Response(status=500)

    def in_pieces(self, content: bytes) -> Play:
        """Send a blob, or the rest of it that is asked for, in pieces, and wait for quiet after each."""

        async def play(request: web.Request) -> web.StreamResponse:
            asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            headers = {"Content-Length": str(len(content) - start)}
            if asked:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            response = web.StreamResponse(status=206 if asked else 200, headers=headers)
            await response.prepare(request)
            for place in range(start, len(content), _PIECE):
                if self.watch is not None:
                    await self.watch.quiet()
                await response.write(content[place : place + _PIECE])
            return response

        return play

    @contextlib.contextmanager
    def in_background(self) -> Iterator[None]:
        """Serve from a thread until the block ends, while the test waits for programs."""
        loop = asyncio.new_event_loop()
        end, begun = asyncio.Event(), threading.Event()

        async def serve() -> None:
            async with self.served():
                begun.set()
                await end.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        try:
            assert begun.wait(10)
            yield
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join()
            loop.close()
