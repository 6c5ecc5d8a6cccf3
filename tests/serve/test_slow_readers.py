"""Many slow readers of the embedded server: what they cost it, and that they hold up nobody."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.readers import Serving, embedded
from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest

READERS = 500
LAYER = 32 << 20
BOUND = 24 << 20
"""Bytes that the server may grow by: 48 kB a reader, where a piece of the layer for each would come to 500 MB."""


@pytest.fixture
def image() -> BuiltImage:
    """An image whose layer is far larger than what the kernel holds of a connection."""
    return images.image("app", layers=[images.layer("large", LAYER)])


@pytest.fixture
def daemon(tmp_path: Path, image: BuiltImage) -> Iterator[Serving]:
    """`mirrord serve`, as a process of its own."""
    tree = ScratchTree(tmp_path / "root")
    tree.publish({"app": {"1": image}})
    with embedded(tmp_path, "--root", str(tree.root)) as serving:
        yield serving


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


async def read_slowly(port: int, target: str, begun: asyncio.Semaphore, go_on: asyncio.Event) -> str:
    """Read the head and the first bytes of a blob, wait, and read the rest: the SHA-256 of the whole."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        connection.settimeout(0)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await loop.sock_sendall(connection, f"GET {target} HTTP/1.0\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += await loop.sock_recv(connection, 1000)
        hasher = hashlib.sha256(got.partition(b"\r\n\r\n")[2])
        begun.release()
        await go_on.wait()
        while chunk := await loop.sock_recv(connection, 1 << 16):
            hasher.update(chunk)
    return hasher.hexdigest()


async def test_five_hundred_slow_readers_cost_little_memory(daemon: Serving, image: BuiltImage) -> None:
    """Bounded: what is sent never is in the server; others are served meanwhile, and each blob comes whole."""
    digest = Digest.of(image.blobs[1])
    target = f"/v2/app/blobs/{digest}"
    port = daemon.server.port
    await asyncio.to_thread(daemon.server.ask, target)
    before = resident(daemon.process.pid)
    begun, never, some = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        waiting = [
            tasks.create_task(read_slowly(port, target, begun, some if number < 4 else never))
            for number in range(READERS)
        ]
        for _ in range(READERS):
            await begun.acquire()
        grown = resident(daemon.process.pid) - before
        answer = await asyncio.to_thread(daemon.server.ask, "/v2/app/manifests/1")
        some.set()
        read = [await reader for reader in waiting[:4]]
        for reader in waiting[4:]:
            reader.cancel()
    assert answer.body == image.manifest.raw
    assert read == [digest.hex] * 4
    assert grown < BOUND, f"{grown >> 20} MiB more for {READERS} readers"
    assert await asyncio.to_thread(daemon.log.read_text) == ""


async def test_readers_that_leave_give_back_their_files(daemon: Serving, image: BuiltImage) -> None:
    """Bounded: a reader that is gone holds no descriptor and no thread."""
    target = f"/v2/app/blobs/{Digest.of(image.blobs[1])}"
    files = Path(f"/proc/{daemon.process.pid}/fd")
    before = len(list(files.iterdir()))
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.server.port)))
            connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
            assert connection.recv(1000)
        assert len(list(files.iterdir())) >= before + 100
    for _ in range(600):
        if len(list(files.iterdir())) <= before + 2:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(list(files.iterdir()))} files are open, {before} were before")
