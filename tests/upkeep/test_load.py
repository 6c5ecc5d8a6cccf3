"""GC beside those who work: links made while the pool is swept, and clients that pull while everything goes on."""

import asyncio
import contextlib
import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest
from support import nginx
from support.closed import check_tree
from support.model import HOUR, SOON, Keeper, keeping
from support.tree import readable_directory

from mirrord.demo.images import ARM64, image, index, layer
from mirrord.oci.manifest import ACCEPT
from mirrord.serve.address import Address
from mirrord.serve.embedded import make_app, serving
from mirrord.serve.nginx import NginxSite
from mirrord.store.collect import Level

READERS = 4
SHORTENED = 4.0
"""Seconds that count as the floor of a minute: the store's clock is ahead by the rest."""
TAKEN = {Level.SNAPSHOT, Level.GENERATION, Level.MANIFEST, Level.BLOB}
SHARED = layer("shared", 40_000)
IMAGES = [
    *(image(f"load {number}", layers=(SHARED, layer(f"load own {number}", 20_000))) for number in range(6)),
    *(index(image(f"both {number}"), image(f"both {number}", platform=ARM64)) for number in range(2)),
]

PHASES = [IMAGES[0:3], IMAGES[3:6], [*IMAGES[6:8], IMAGES[0]]]
"""What tags move over for some seconds each: long enough that GC takes what the others had, before it comes back."""


async def test_directories_pruned_and_made_at_once(keeper: Keeper) -> None:
    """STORAGE hole 25: a repository comes beside one that is emptied and pruned, again and again."""
    for number in range(12):
        await keeper.serve({"team/deep/old": {"1": IMAGES[0]}, "base": {"1": IMAGES[0]}})
        await keeper.serve({"team/deep/old": {"1": None}, "team/deep/new": {"1": None}})
        keeper.clock.ahead += HOUR
        await keeper.collect()
        keeper.clock.ahead += HOUR
        await asyncio.gather(keeper.collect(), keeper.serve({"team/deep/new": {"1": IMAGES[1 + number % 3]}}))
        check_tree(keeper.layout.root)


@dataclass(slots=True)
class Seen:
    """What readers met."""

    pulls: Counter[str] = field(default_factory=Counter)
    digests: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Puller:
    """A client that pulls tags whole, one after the other, as fast as it can."""

    url: str
    session: aiohttp.ClientSession
    seen: Seen

    async def pull(self, until: asyncio.Event) -> None:
        """Pull until told to stop; what is wrong is written down with the time it took."""
        for number in itertools.count():
            if until.is_set():
                return
            tag = f"t{number % 3}"
            begun = time.monotonic()
            try:
                await self.one("app", tag)
            except AssertionError as error:
                self.seen.wrong.append(f"{self.url} {tag} after {time.monotonic() - begun:.3f} s: {error}")
            self.seen.pulls[self.url] += 1

    async def one(self, name: str, tag: str) -> None:
        """List, tag, children, blobs: everything must be there, and be what its digest says."""
        listed = json.loads(await self.get(f"{name}/tags/list"))["tags"]
        assert tag in listed
        raw = await self.get(f"{name}/manifests/{tag}")
        self.seen.digests.add(hashlib.sha256(raw).hexdigest())
        document = json.loads(raw)
        children = [await self.by_digest(name, each) for each in document.get("manifests", ())]
        for manifest in [json.loads(each) for each in children] or [document]:
            for each in (manifest["config"], *manifest["layers"]):
                found = await self.get(f"{name}/blobs/{each['digest']}")
                assert f"sha256:{hashlib.sha256(found).hexdigest()}" == each["digest"]

    async def by_digest(self, name: str, entry: dict[str, str]) -> bytes:
        """One child."""
        raw = await self.get(f"{name}/manifests/{entry['digest']}")
        assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == entry["digest"]
        return raw

    async def get(self, path: str) -> bytes:
        """One answer, which must be 200 and what its headers say."""
        async with self.session.get(f"{self.url}/v2/{path}", headers={"Accept": ACCEPT}) as response:
            body = await response.read()
            assert response.status == 200, f"{response.status} for {path}"
            told = response.headers.get("Docker-Content-Digest")
            assert told in {None, f"sha256:{hashlib.sha256(body).hexdigest()}"}
            return body


async def run_again_and_again(keeper: Keeper, until: asyncio.Event) -> int:
    """Runs that move tags over a few images: what left comes back when GC is about to take it, or has taken it."""
    for number in itertools.count():
        if until.is_set():
            return number
        phase = PHASES[number // 10 % len(PHASES)]
        turn = {f"t{each}": phase[(number + each) % 3] for each in range(3)}
        await keeper.serve({"app": turn, "beside": {"1": IMAGES[number % 3]}})
        await asyncio.sleep(0.4)
    raise AssertionError


async def collect_again_and_again(keeper: Keeper, until: asyncio.Event, taken: Counter[Level]) -> None:
    """GC in a loop, its grace at the floor, which passes in a few seconds; counts what it took."""
    while not until.is_set():
        found = await keeper.collect(SOON)
        assert not found.doubts
        taken.update(found.counts)
        bring_back(keeper)
        await asyncio.sleep(0.1)


def bring_back(keeper: Keeper) -> None:
    """Let tombstones count from the real time: the clock is ahead, so that they too are over in a few seconds."""
    path = keeper.layout.state / "tombstones.json"
    if path.exists():
        now = time.time()
        notes = {r: {n: min(at, now) for n, at in names.items()} for r, names in json.loads(path.read_bytes()).items()}
        path.write_text(json.dumps(notes))


@contextlib.asynccontextmanager
async def loaded() -> AsyncIterator[tuple[Keeper, Sequence[str]]]:
    """A root, held, and both servers on it."""
    with readable_directory() as place:
        (place / "nginx").mkdir()
        async with keeping(place / "root") as keeper:
            await keeper.serve({"app": {f"t{each}": IMAGES[each] for each in range(3)}})
            async with serving(make_app(keeper.store.tree), Address("127.0.0.1", 0)) as address:
                with nginx.running(NginxSite(place / "root"), place / "nginx") as running:
                    yield keeper, (f"http://{address}", f"http://127.0.0.1:{running.port}")


async def load(seconds: float) -> None:
    """Readers, runs and collections at once, for so long, and until one of each was taken: a busy host takes longer."""
    seen, done, taken = Seen(), asyncio.Event(), Counter[Level]()
    async with loaded() as (keeper, urls), aiohttp.ClientSession() as session:
        keeper.clock.ahead = SOON.patience - SHORTENED
        async with asyncio.TaskGroup() as tasks:
            for url in urls:
                for _ in range(READERS):
                    tasks.create_task(Puller(url, session, seen).pull(done))
            runs = tasks.create_task(run_again_and_again(keeper, done))
            tasks.create_task(collect_again_and_again(keeper, done, taken))
            await asyncio.sleep(seconds)
            for _ in range(90):
                if taken.keys() >= TAKEN:
                    break
                await asyncio.sleep(1)
            done.set()
        check_tree(keeper.layout.root)
    assert seen.wrong == []
    assert all(seen.pulls[url] > 10 for url in urls)
    assert len(seen.digests) >= 6
    assert runs.result() > 10
    assert taken.keys() >= TAKEN


async def test_clients_pull_while_gc_takes_all_it_may() -> None:
    """In-flight finishes: clients pull while runs move tags and GC takes what left: no answer is wrong or missing."""
    await load(18)


@pytest.mark.soak
async def test_clients_pull_for_minutes() -> None:
    """The same for long."""
    await load(240)
