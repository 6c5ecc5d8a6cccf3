"""Twenty minutes of a daemon's life, with everything in it real: kills, restarts, reloads, and readers meanwhile."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from support.closed import check_tree
from support.daemon import Daemon
from support.docker_registry import DockerRegistry, running_registry
from support.mirror import Mirror
from support.nginx import free_port, running
from support.tree import readable_directory

from mirrord.demo.images import ARM64, BuiltImage, image, index, layer
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT
from mirrord.serve.nginx import NginxSite

SECONDS = float(os.environ.get("MIRRORD_SOAK_SECONDS", "1200"))
GROUPS, IMAGES, READERS = 4, 6, 3
SLACK = 24 << 20
"""Bytes that a daemon's memory may be above what it was after a quarter of the time."""


@dataclass
class Seen:
    """What readers and the look at the process came to."""

    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    starts: int = 0
    kills: int = 0
    reloads: int = 0


@pytest.mark.soak
async def test_twenty_minutes() -> None:
    """No wrong byte, no growth of memory, descriptors, threads or staging; at the end every image is fresh."""
    chance, seen = random.Random(20), Seen()  # noqa: S311 - the same ways each time
    with (
        readable_directory() as place,
        tempfile.TemporaryDirectory() as elsewhere,
        running_registry(Path(elsewhere)) as registry,
    ):
        mirror = Mirror(place, registry.url)
        (place / "nginx").mkdir()
        wanted: dict[tuple[str, str], BuiltImage] = {}
        await asyncio.to_thread(move, registry, wanted, chance, 1.0)
        write_config(mirror)
        async with asyncio.timeout(SECONDS + 300), living(mirror, seen):
            while not (mirror.root / "current").exists():  # noqa: ASYNC110 - a file tells it
                await asyncio.sleep(0.1)
            with running(NginxSite(mirror.root, str(free_port()), standalone=True), place / "nginx") as nginx:
                async with asyncio.TaskGroup() as tasks:
                    ended = asyncio.Event()
                    for _ in range(READERS):
                        tasks.create_task(read(f"http://127.0.0.1:{nginx.port}", mirror, seen, ended))
                    deadline = asyncio.get_running_loop().time() + SECONDS
                    while asyncio.get_running_loop().time() < deadline:
                        await asyncio.to_thread(move, registry, wanted, chance, 0.2)
                        await asyncio.sleep(chance.random())
                    await fresh(mirror, wanted)
                    ended.set()
        check_tree(mirror.root)
        left = [name for name in os.listdir(mirror.root / "staging") if name not in {"trash", "quarantine"}]
    quarter = len(seen.memory) // 4
    sys.stdout.write(
        f"{seen.answers} answers, {seen.starts} starts, {seen.kills} kills, {seen.reloads} reloads; memory: "
        f"{max(seen.memory[: 2 * quarter]) >> 10} KiB in the first half, {max(seen.memory[-quarter:]) >> 10} in "
        f"the last quarter; descriptors at most {max(seen.descriptors)}, threads {max(seen.threads)}\n"
    )
    assert seen.wrong == []
    assert seen.answers > SECONDS
    assert max(seen.memory[-quarter:]) < max(seen.memory[: 2 * quarter]) + SLACK
    assert max(seen.descriptors[-quarter:]) <= max(seen.descriptors[: 2 * quarter]) + 8
    assert max(seen.threads[-quarter:]) <= max(seen.threads[: 2 * quarter]) + 4  # executors fill up one by one
    assert len(left) <= GROUPS
    assert seen.starts > 2


def move(
    registry: DockerRegistry, wanted: dict[tuple[str, str], BuiltImage], chance: random.Random, share: float
) -> None:
    """The upstream's tags move on."""
    for group in range(GROUPS):
        for number in range(IMAGES):
            name, tag = f"g{group}/r{number}", "latest"
            if chance.random() < share:
                seed = f"{name} {chance.random()}"
                shared = layer(f"base {group}", size=2 << 20)
                plain = image(seed, layers=(shared, layer(seed, size=64 << 10)))
                built = index(plain, image(seed, platform=ARM64)) if number % 2 else plain
                registry.push(name, built, tag)
                wanted[name, tag] = built


def write_config(mirror: Mirror) -> None:
    """Groups of five seconds, one of them published together; upkeep as often as it may come."""
    groups = "".join(
        f"  - name: g{group}\n    schedule: every 5s\n    together: {str(group == 0).lower()}\n"
        f"    images: [{', '.join(f'registry.test/g{group}/r{number}:latest' for number in range(IMAGES))}]\n"
        for group in range(GROUPS)
    )
    mirror.config.write_text(
        f"root: {mirror.root}\nlisten: 127.0.0.1:{free_port()}\ndefaults: {{jitter: 1s}}\n"
        f"retention: {{schedule: every 30s, keep_last: 3, keep_daily: 0, keep_weekly: 0, grace: 60s}}\n"
        f"verify: {{schedule: every 2m, rate: 200MB/s}}\npublish_every: 1s\n"
        f'registries: {{registry.test: {{endpoint: "{mirror.url}"}}}}\ngroups:\n{groups}'
    )


@contextlib.asynccontextmanager
async def living(mirror: Mirror, seen: Seen) -> AsyncIterator[None]:
    """A daemon that is killed, ended, started again and told to reload, until the end of the block."""
    stopped = asyncio.Event()
    chance = random.Random(7)  # noqa: S311 - likewise

    async def live() -> None:
        while not stopped.is_set():
            seen.starts += 1
            async with Daemon.of(mirror) as daemon:
                lifetime = chance.uniform(20, 90)
                began = asyncio.get_running_loop().time()
                while not stopped.is_set() and asyncio.get_running_loop().time() - began < lifetime:
                    await asyncio.sleep(1)
                    look(daemon.process.pid, seen)
                    if chance.random() < 0.1:
                        daemon.process.send_signal(signal.SIGHUP)
                        seen.reloads += 1
                if not stopped.is_set() and chance.random() < 0.5:
                    daemon.process.kill()
                    seen.kills += 1
                    daemon.process.wait()

    task = asyncio.create_task(live())
    try:
        yield
    finally:
        stopped.set()
        await task


def look(pid: int, seen: Seen) -> None:
    """How much a process takes."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    seen.memory.append(int(fields["VmRSS"].split()[0]) << 10)
    seen.threads.append(int(fields["Threads"]))
    seen.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))


async def read(url: str, mirror: Mirror, seen: Seen, ended: asyncio.Event) -> None:
    """Pull images as a client does, and hash every byte."""
    chance = random.Random(str(mirror.root))  # noqa: S311 - likewise
    async with aiohttp.ClientSession(url) as session:
        while not ended.is_set():
            name = f"registry.test/g{chance.randrange(GROUPS)}/r{chance.randrange(IMAGES)}"
            await pull(session, name, "latest", seen)


async def pull(session: aiohttp.ClientSession, name: str, reference: str, seen: Seen) -> None:
    """One manifest and all that it names."""
    async with session.get(f"/v2/{name}/manifests/{reference}", headers={"Accept": ACCEPT}) as answer:
        if answer.status == 404 and reference == "latest":
            return  # not published yet
        body = await answer.read()
        said = answer.headers.get("Docker-Content-Digest", "")
        seen.answers += 1
        if answer.status != 200 or str(Digest.of(body)) != said:
            seen.wrong.append(f"{name}@{reference}: {answer.status} {said}")
            return
        document = await answer.json(content_type=None)
    for child in document.get("manifests", []):
        await pull(session, name, child["digest"], seen)
    for blob in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
        async with session.get(f"/v2/{name}/blobs/{blob['digest']}") as answer:
            seen.answers += 1
            if answer.status != 200 or str(Digest.of(await answer.read())) != blob["digest"]:
                seen.wrong.append(f"{name} {blob['digest']}: {answer.status}")


async def fresh(mirror: Mirror, wanted: dict[tuple[str, str], BuiltImage]) -> None:
    """Wait until every image is what the upstream has."""
    async with asyncio.timeout(180):
        while any(mirror.tags(name).get(tag) != built.digest for (name, tag), built in wanted.items()):  # noqa: ASYNC110
            await asyncio.sleep(1)
