"""A slow link to an upstream: each byte comes late, and all of them share a rate. Run as `python -m bench.link PORT`.

Relays what comes to a free port of 127.0.0.1, which it prints first, to PORT and back.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

DELAY = 0.010
"""Seconds that each direction takes: a round trip has 20 ms more."""
RATE = 25_000_000
"""Bytes a second of all connections together, towards us: 200 Mbit/s."""
_PIECE = 64 << 10
_HELD = 16
"""Pieces of a connection on the way: twice what the whole rate brings in 20 ms, so small answers do not wait long."""


class _Link:
    def __init__(self, port: int) -> None:
        self._port = port
        self._free_at = 0.0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        await asyncio.sleep(2 * DELAY)  # it opens after a round trip
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay(reader, upstream_writer, is_paced=False))
            group.create_task(self._relay(upstream_reader, writer, is_paced=True))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_paced: bool) -> None:
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD)

        async def deliver() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    due, piece = await on_the_way.get()
                    await asyncio.sleep(due - loop.time())
                    if not piece:
                        break
                    writer.write(piece)
                    await writer.drain()
            writer.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(deliver())
            piece = b"-"
            while piece:
                try:
                    piece = await reader.read(_PIECE)
                except ConnectionError:
                    piece = b""
                due = loop.time()
                if is_paced:
                    self._free_at = due = max(self._free_at, due) + len(piece) / RATE
                await on_the_way.put((due + DELAY, piece))


@contextlib.contextmanager
def slow_link(port: int) -> Iterator[int]:
    """A slow link to ``port``, in a process of its own, until the block ends; gives its own port."""
    command = [sys.executable, "-m", "bench.link", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        try:
            yield int(process.stdout.readline() if process.stdout else "")
        finally:
            process.terminate()


async def _main() -> None:
    link = _Link(int(sys.argv[1]))
    server = await asyncio.start_server(link.connected, "127.0.0.1", 0, limit=2 * _PIECE)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
