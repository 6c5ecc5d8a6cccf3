"""What a large layer costs its upstream where connections are cut and the process is killed: hardly more than once."""

import asyncio
import hashlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from support.closed import check_tree
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.demo.images import BuiltImage, Layer, image
from mirrord.oci.digest import Digest

MIB = 1 << 20
CUTS = 20
SIZES = [pytest.param(64 * MIB, id="64 MiB"), pytest.param(500 * MIB, id="500 MiB", marks=pytest.mark.soak)]
MOST = 1.1
"""Bytes that may be sent for one byte of the layer."""
PATIENCE = 240.0


class Counting(Scripted):
    """Sends one layer, of which it counts every byte, and ends each of so many answers early."""

    def __init__(self, *given: object, **options: object) -> None:
        super().__init__(*given, **options)
        self.content = b""
        self.sent = 0
        self.answers = 0
        self.cuts = 0
        self.stall_at: int | None = None
        """Where an answer stops, and the connection stays."""

    def hold(self, size: int) -> BuiltImage:
        """Have an image with one layer of so many bytes."""
        self.content = hashlib.shake_256(b"large").digest(size)
        built = image("large", layers=(Layer(self.content, Digest.of(self.content)),))
        self.push("app", built, "1")
        self.when(f"GET /v2/app/blobs/{Digest.of(self.content)}", then=self.send_some)
        return built

    async def send_some(self, request: web.Request) -> web.StreamResponse:
        """Answer from where it was asked; end too early while there are cuts left."""
        self.answers += 1
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start, size = int(asked[1]) if asked else 0, len(self.content)
        headers = {"Content-Length": str(size - start), "Content-Range": f"bytes {start}-{size - 1}/{size}"}
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        await response.prepare(request)
        is_cut = self.cuts > 0
        self.cuts -= is_cut
        end = min(start + size // (CUTS + 1), size) if is_cut else self.stall_at or size
        for place in range(start, end, MIB):
            piece = self.content[place : min(place + MIB, end)]
            self.sent += len(piece)
            await response.write(piece)
        if end < size:
            if not is_cut:
                await asyncio.sleep(PATIENCE)
            assert request.transport
            request.transport.close()
        return response


@pytest.fixture
async def upstream() -> AsyncIterator[Counting]:
    """The same on a free port."""
    async with Counting.running() as running:
        yield running


@pytest.mark.parametrize("size", SIZES)
async def test_cutting_the_connection_costs_hardly_more(tmp_path: Path, upstream: Counting, size: int) -> None:
    """Twenty cuts in one layer: less than 1.1 times its size is sent for it in all, and it is whole."""
    built = upstream.hold(size)
    upstream.cuts = CUTS
    mirror = Mirror(tmp_path, upstream.url, limits="{attempts: 5}")
    mirror.configure("{host}/app:1")
    done = await mirror.command("sync")
    assert done.status == 0, done.err[-3000:]
    check_tree(mirror.root)
    assert mirror.tags("app") == {"1": built.digest}
    assert upstream.answers == CUTS + 1
    assert upstream.sent < MOST * size


@pytest.mark.parametrize("size", SIZES)
async def test_killing_the_process_costs_hardly_more(tmp_path: Path, upstream: Counting, size: int) -> None:
    """SIGKILL in the middle of a layer: the next run asks for the rest, and less than 1.1 times its size is sent."""
    built = upstream.hold(size)
    upstream.stall_at = size // 2
    mirror = Mirror(tmp_path, upstream.url)
    mirror.configure("{host}/app:1")
    part = mirror.root / "staging" / f"{Digest.of(upstream.content)}.part"
    command = [sys.executable, "-m", "mirrord", "sync", "--config", str(mirror.config)]
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(PATIENCE):
            while not part.exists() or part.stat().st_size < size // 2 - size // 16:
                assert process.returncode is None, (tmp_path / "log").read_text()[-3000:]
                await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.wait()
    upstream.stall_at = None
    done = await mirror.command("sync")
    assert done.status == 0, done.err[-3000:]
    check_tree(mirror.root)
    assert mirror.tags("app") == {"1": built.digest}
    assert upstream.answers == 2
    assert upstream.sent < MOST * size
