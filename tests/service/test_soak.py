"""Twenty minutes of a daemon's life, with everything in it real: kills, restarts, reloads, and readers meanwhile."""

import asyncio
import contextlib
import math
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression

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
from mirrord.sync.status import RUNS_KEPT

SECONDS = float(os.environ.get("MIRRORD_SOAK_SECONDS", "1200"))
GROUPS, IMAGES, READERS = 4, 6, 3
LAST = 0.5
"""Share of the time that the last daemon lives: growth shows in a long life alone."""
SLOPE = 512 << 10
"""Bytes a minute by which its memory may grow: 48 runs a minute end in that time."""


@dataclass
class Life:
    """What one daemon took, once a second."""

    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self, pid: int) -> None:
        """Take note of how much it takes now."""
        status = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.memory.append(int(fields["VmRSS"].split()[0]) << 10)
        self.threads.append(int(fields["Threads"]))
        self.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))

    @property
    def slope(self) -> float:
        """Bytes a minute by which memory grew in the later two thirds, by least squares."""
        later = self.memory[len(self.memory) // 3 :]
        return linear_regression(range(len(later)), later).slope * 60


@dataclass
class Seen:
    """What readers and the looks at the processes came to."""

    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
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
    life = seen.lives[-1]
    third = len(life.memory) // 3
    sys.stdout.write(
        f"{seen.answers} answers, {len(seen.lives)} starts, {seen.kills} kills, {seen.reloads} reloads; in the last "
        f"life, of {len(life.memory)} s, memory was {max(life.memory) >> 10} KiB at most and grew by "
        f"{life.slope / 1024:.0f} KiB a minute; descriptors at most {max(life.descriptors)}, threads "
        f"{max(life.threads)}\n"
    )
    assert seen.wrong == []
    assert seen.answers > SECONDS
    assert life.slope < SLOPE
    assert max(life.descriptors[-third:]) <= max(life.descriptors[: 2 * third]) + 8
    assert max(life.threads[-third:]) <= max(life.threads[: 2 * third]) + 4  # executors fill up one by one
    assert len(left) <= GROUPS
    assert len(seen.lives) > 2


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
        clock = asyncio.get_running_loop().time
        last = clock() + SECONDS * (1 - LAST)
        while not stopped.is_set():
            fill_history(mirror)
            seen.lives.append(life := Life())
            async with Daemon.of(mirror) as daemon:
                ends = clock() + chance.uniform(20, 90) if clock() < last else math.inf
                while not stopped.is_set() and clock() < ends:
                    await asyncio.sleep(1)
                    life.look(daemon.process.pid)
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


def fill_history(mirror: Mirror) -> None:
    """As many lines as are kept: until then, which takes hours, what is written after each run grows by a line."""
    runs = mirror.root / "status" / "runs.jsonl"
    if runs.exists():
        lines = runs.read_bytes().splitlines(keepends=True)
        runs.write_bytes(b"".join((lines * (RUNS_KEPT // len(lines) + 1))[:RUNS_KEPT]))


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
