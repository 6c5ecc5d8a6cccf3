"""Readers while runs go on: a tag that moves under four readers, and a platform completed after a kill."""

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support import nginx
from support.mirror import HOST, Mirror, by_name
from support.scripted import Play, Scripted
from support.tree import readable_directory

from mirrord.demo.images import AMD64, ARM64, image, index, layer
from mirrord.oci.manifest import ACCEPT
from mirrord.serve.address import Address
from mirrord.serve.embedded import make_app, serving
from mirrord.serve.nginx import NginxSite
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Status

MOVES = 25
READERS = 4


@contextlib.asynccontextmanager
async def embedded(mirror: Mirror, _place: Path) -> AsyncIterator[str]:
    """The embedded server on a mirror."""
    async with serving(make_app(Tree.at(mirror.root)), Address("127.0.0.1", 0)) as address:
        yield f"http://{address}"


@contextlib.asynccontextmanager
async def stock_nginx(mirror: Mirror, place: Path) -> AsyncIterator[str]:
    """A real nginx on a mirror."""
    (place / "nginx").mkdir()
    with nginx.running(NginxSite(mirror.root), place / "nginx") as running:
        yield f"http://127.0.0.1:{running.port}"


def hold(content: bytes, after: int, stuck: asyncio.Event) -> Play:
    """Send the first bytes of a blob, say so, and then nothing."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:after])
        stuck.set()
        await asyncio.Event().wait()
        return response

    return play


async def read(url: str, done: asyncio.Event, seen: set[str]) -> int:
    """Pull the tag's manifest until done; each body must hash to what its header says, each child must be there."""
    answers = 0
    async with aiohttp.ClientSession() as session:
        while not done.is_set():
            async with session.get(f"{url}/v2/{HOST}/app/manifests/moves", headers={"Accept": ACCEPT}) as response:
                body = await response.read()
                assert response.status == 200, body
            digest = response.headers["Docker-Content-Digest"]
            assert f"sha256:{hashlib.sha256(body).hexdigest()}" == digest
            async with session.head(f"{url}/v2/{HOST}/app/manifests/{digest}") as response:
                assert response.status == 200
            seen.add(digest)
            answers += 1
    return answers


@pytest.mark.parametrize("server", [embedded, stock_nginx])
async def test_a_tag_moves_while_four_readers_pull_it(upstream: Scripted, server: object) -> None:
    """Atomic and In-flight finishes: every body is what its header says, and can still be pulled by it."""
    assert callable(server)
    with readable_directory() as place:
        mirror = Mirror(place, upstream.url)
        mirror.configure("{host}/app:moves")
        upstream.push("app", image("0"), "moves")
        await mirror.sync()
        done, seen = asyncio.Event(), set[str]()
        async with server(mirror, place) as url, asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read(url, done, seen)) for _ in range(READERS)]
            for number in range(1, MOVES):
                upstream.push("app", image(str(number)), "moves")
                assert (await mirror.sync()).snapshots
            done.set()
        assert all(reader.result() > 0 for reader in readers)
        assert len(seen) > 1


async def test_a_platform_added_later_is_completed_after_a_kill(mirror: Mirror, upstream: Scripted) -> None:
    """Closed: a run killed in a platform's layer leaves the index as it was; the next resumes it."""
    arm = image("x", layers=(layer("arm", 4 << 20),), platform=ARM64)
    upstream.push("app", index(image("x", platform=AMD64), arm), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    await mirror.sync()
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64, linux/arm64]}}')
    stuck = asyncio.Event()
    content, digest = arm.blobs[1], arm.manifest.layers[0].digest
    upstream.when(f"GET /v2/app/blobs/{digest}", hold(content, 2 << 20, stuck))
    command = (sys.executable, "-m", "mirrord", "sync", "--config", str(mirror.config))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    await stuck.wait()
    partial = mirror.layout.partial(digest)
    while not partial.exists() or partial.stat().st_size == 0:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert mirror.tags("app")
    upstream.forget_requests()
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.COMPLETED}
    (asked,) = [each for each in upstream.requests if str(digest) in each.path]
    assert asked.headers["Range"].startswith("bytes=")
    record = Tree(mirror.layout).record(f"{HOST}/app")
    assert record is not None
    assert record.tags["1"].platforms == ("linux/amd64", "linux/arm64/v8")
