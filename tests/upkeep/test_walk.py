"""Sixty publications and all that an operator may do in between, against a model; both servers are asked each time."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from support import nginx
from support.closed import check_tree
from support.model import (
    HOUR,
    MINUTE,
    Clock,
    Keeper,
    Model,
    Served,
    Tags,
    edit_json,
    keeping,
    manifests_of,
    named,
    names_below,
)
from support.tree import readable_directory

from mirrord.demo.images import ARM64, BuiltImage, image, index, layer
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT
from mirrord.serve.address import Address
from mirrord.serve.embedded import make_app, serving
from mirrord.serve.nginx import NginxSite
from mirrord.store.blocks import parse_block, read_blocks, write_blocks
from mirrord.store.hold import release_hold, write_pins
from mirrord.store.retention import Retention
from mirrord.store.tree import Tree

PUBLICATIONS = 60
SEED = 7
"""A way on which everything happens, refused rollbacks too."""
RETENTION = Retention(keep_last=3, keep_daily=2, keep_weekly=0, grace=HOUR)
REPOSITORIES = ("app", "team/app", "team/tool", "quay.io/x/y", "base")
TAGS = ("1", "2", "latest", "v1.0")
SHARED = (layer("shared one"), layer("shared two"))
IMAGES: Sequence[BuiltImage] = (
    *(image(f"plain {number}", layers=(SHARED[number % 2], layer(f"own {number}"))) for number in range(8)),
    *(index(image(f"many {number}"), image(f"many {number}", platform=ARM64)) for number in range(4)),
    index(image("many 0"), image("plain 0", layers=(SHARED[0], layer("own 0")))),
)


@dataclass(slots=True)
class Walk:
    """One walk: what is done is decided by a seed, what must be served by the model."""

    chance: random.Random
    keeper: Keeper
    urls: tuple[str, ...]
    """The embedded server first."""
    session: aiohttp.ClientSession
    model: Model = field(default_factory=lambda: Model(RETENTION.grace))
    publications: int = 0
    done: list[str] = field(default_factory=list)

    async def step(self) -> None:
        """Let some time pass, do one thing, and compare."""
        self.keeper.clock.ahead += self.chance.randrange(1, 40) * MINUTE
        acts = {
            self.publish: 10,
            self.roll_back: 2,
            self.release: 2,
            self.pin: 1,
            self.unpin: 1,
            self.collect: 4,
            self.block: 1,
            self.unblock: 1,
        }
        (act,) = self.chance.choices(list(acts), list(acts.values()))
        self.done.append(act.__name__)
        await act()
        await self.compare()

    async def publish(self) -> None:
        """A run: some repositories gain, move and lose tags; sometimes what a run brings is not published at all."""
        changes: dict[str, Tags] = {}
        free = [built for built in IMAGES if not self.is_blocked(built)]
        for name in self.chance.sample(REPOSITORIES, self.chance.randrange(1, 4)):
            tags: dict[str, BuiltImage | None] = {}
            for tag in self.chance.sample(TAGS, self.chance.randrange(1, 4)):
                tags[tag] = self.chance.choice(free) if self.chance.random() < 0.7 else None
            changes[name] = tags
            self.model.gone -= {(name, digest) for built in tags.values() if built for digest in manifests_of(built)}
        if self.chance.random() < 0.2:
            name, built = self.chance.choice(REPOSITORIES), self.chance.choice(free)
            await self.keeper.put(name, built)
            self.model.gone -= {(name, digest) for digest in manifests_of(built)}
        after = self.model.with_changes(changes)
        done = await self.keeper.serve(changes)
        assert set(done.held) == {name for name in changes if self.model.is_held(name)}
        assert (done.publication is None) == (after == self.model.served)
        if done.publication:
            self.now_serves(after, done.publication.snapshot)

    async def roll_back(self) -> None:
        """To any snapshot there is, wholly or for one repository; what is not whole any more must be refused."""
        if not self.model.snapshots:
            return
        target = self.chance.choice(list(self.model.snapshots))
        old = self.model.snapshots[target]
        names = sorted({*old, *self.model.served})
        repository = self.chance.choice(names) if names and self.chance.random() < 0.6 else None
        after = self.model.with_rollback(target, repository)
        if not self.model.is_whole(old if repository is None else {repository: old.get(repository, {})}):
            with pytest.raises(HostError, match="not whole"):
                await self.keeper.store.roll_back(target, repository)
            return
        done = await self.keeper.store.roll_back(target, repository)
        if repository is None:
            self.model.held, self.model.target = None, target
        elif self.model.held is not None:
            self.model.held.add(repository)
            self.model.target = target
        if done:
            self.now_serves(after, done.snapshot)
        assert after == self.model.served

    async def release(self) -> None:
        """End what is held."""
        was_held = release_hold(self.keeper.layout)
        assert was_held == (self.model.held != set())
        self.model.held, self.model.target = set(), ""

    async def pin(self) -> None:
        """Keep a snapshot."""
        if self.model.snapshots:
            self.model.pins.add(self.chance.choice(list(self.model.snapshots)))
            write_pins(self.keeper.layout, frozenset(self.model.pins))

    async def unpin(self) -> None:
        """Leave them all to the retention again."""
        self.model.pins.clear()
        write_pins(self.keeper.layout, frozenset())

    async def collect(self) -> None:
        """A collection: what must stay does, and there is nothing it could not prove."""
        if not self.model.snapshots:
            return
        dry = await self.keeper.collect(RETENTION, is_dry=True)
        found = await self.keeper.collect(RETENTION)
        assert not found.doubts
        assert {each.name for each in dry.victims} <= {each.name for each in found.victims}
        left = names_of(self.keeper.layout.snapshots)
        assert self.model.must_stay(self.keeper.clock()) <= left <= self.model.snapshots.keys()
        assert left >= set(list(self.model.snapshots)[-RETENTION.keep_last :])
        self.model.snapshots = {name: served for name, served in self.model.snapshots.items() if name in left}

    async def block(self) -> None:
        """Take a plain image out wherever it is, or what one tag names."""
        chosen = [built for built in IMAGES if not built.children]
        what = str(self.chance.choice(chosen).digest)
        before = self.model.served
        self.model.blocked.add(Digest.parse(what))
        after = self.model.without_blocked(before)
        done = await self.keeper.store.block(parse_block(what, "test"))
        lost = {
            (name, digest)
            for name, tags in before.items()
            for tag, built in tags.items()
            if tag not in after.get(name, {})
            for digest in manifests_of(built)
        }
        older = (named(self.model.without_blocked(served)) for served in self.model.snapshots.values())
        self.model.gone |= lost - named(after).union(*older)
        self.model.gone |= {(name, Digest.parse(what)) for name in REPOSITORIES}
        if done.publication:
            self.now_serves(after, done.publication.snapshot)
        assert after == self.model.served

    async def unblock(self) -> None:
        """Let everything in again."""
        blocks = read_blocks(self.keeper.layout)
        for each in blocks.entries:
            blocks = blocks.without(each.what)
        write_blocks(self.keeper.layout, blocks)
        self.model.blocked.clear()

    def now_serves(self, after: Served, snapshot: str) -> None:
        """A publication was made: it is one of the model's time, and the model's next snapshot."""
        self.publications += 1
        now = self.keeper.clock()
        published = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        edit_json(self.keeper.layout.snapshots / snapshot / "_snapshot.json", published=published)
        self.model.serves(after, snapshot, now)

    def is_blocked(self, built: BuiltImage) -> bool:
        """Whether any of its manifests is."""
        return bool(manifests_of(built) & self.model.blocked)

    async def compare(self) -> None:
        """The disk is closed and true, and both servers answer what the model says."""
        check_tree(self.keeper.layout.root)
        pullable = self.model.pullable(self.keeper.clock())
        await asyncio.gather(*(self.compare_server(url, pullable) for url in self.urls))
        for name, digest in self.model.gone if self.urls else ():
            status, _ = await self.head(f"{self.urls[0]}/v2/{name}/manifests/{digest}")
            assert status == 404, f"{name}@{digest} was taken out"

    async def compare_server(self, url: str, pullable: frozenset[tuple[str, Digest]]) -> None:
        """One server."""
        async with self.session.get(f"{url}/v2/_catalog") as response:
            assert (await response.json())["repositories"] == sorted(self.model.served)
        for name in REPOSITORIES:
            tags = self.model.served.get(name)
            async with self.session.get(f"{url}/v2/{name}/tags/list") as response:
                assert response.status == (200 if tags else 404), f"{url} {name}"
                if tags:
                    assert (await response.json())["tags"] == sorted(tags)
            for tag in TAGS:
                status, digest = await self.head(f"{url}/v2/{name}/manifests/{tag}")
                built = (tags or {}).get(tag)
                assert (status, digest) == ((200, str(built.digest)) if built else (404, None)), f"{url} {name}:{tag}"
        for name, wanted in pullable:
            status, digest = await self.head(f"{url}/v2/{name}/manifests/{wanted}")
            assert (status, digest) == (200, str(wanted)), f"{url} {name}@{wanted}"
        for name, tags in self.model.served.items():
            built = self.chance.choice(list(tags.values()))
            for content in built.contents():
                status, _ = await self.head(f"{url}/v2/{name}/blobs/{Digest.of(content)}")
                assert status == 200, f"{url} {name} {Digest.of(content)}"

    async def head(self, url: str) -> tuple[int, str | None]:
        """Status and digest."""
        async with self.session.head(url, headers={"Accept": ACCEPT}) as response:
            return response.status, response.headers.get("Docker-Content-Digest")


def names_of(directory: Path) -> set[str]:
    """What is in a directory."""
    return {path.name for path in directory.iterdir()}


@contextlib.asynccontextmanager
async def servers(root: Path, place: Path) -> AsyncIterator[tuple[str, ...]]:
    """The embedded server and a stock nginx on one root."""
    (place / "nginx").mkdir()
    async with serving(make_app(Tree.at(root)), Address("127.0.0.1", 0)) as address:
        with nginx.running(NginxSite(root), place / "nginx") as running:
            yield f"http://{address}", f"http://127.0.0.1:{running.port}"


async def walk(seed: int, publications: int) -> None:
    """Walk until so many publications were made, with a restart of the writer now and then; then clear away."""
    chance, clock = random.Random(seed), Clock()  # noqa: S311 - to be repeated, not to be secret
    with readable_directory() as place:
        root = place / "root"
        async with keeping(root, clock) as keeper:
            await keeper.serve({"app": {"1": IMAGES[0]}})
        async with servers(root, place) as urls, aiohttp.ClientSession() as session:
            model = Model(RETENTION.grace)
            (first,) = names_of(root / "snapshots")
            model.serves({"app": {"1": IMAGES[0]}}, first, clock())
            made, done = 1, list[str]()
            while made < publications:
                async with keeping(root, clock) as keeper:
                    step = Walk(chance, keeper, urls, session, model, made, done)
                    for _ in range(chance.randrange(5, 25)):
                        try:
                            await step.step()
                        except AssertionError as error:
                            error.add_note(f"seed {seed}, after {done}")
                            raise
                    made = step.publications
            async with keeping(root, clock) as keeper:
                await Walk(chance, keeper, urls, session, model).unpin()
                release_hold(keeper.layout)
                await keeper.collect_all()
                clear(keeper, model.served)


def clear(keeper: Keeper, served: Served) -> None:
    """Nothing is on disk but what is served: no leak after all that."""
    layout = keeper.layout
    assert len(names_of(layout.snapshots)) == 1
    manifests = {
        f"{name}/_manifests/{each.digest}.{each.kind}"
        for name, tags in served.items()
        for built in tags.values()
        for each in built.manifests()
    }
    blobs = {
        f"{name}/_blobs/{Digest.of(content)}"
        for name, tags in served.items()
        for built in tags.values()
        for content in built.contents()
    }
    assert names_below(layout.content) == manifests | blobs
    hexes = {path.rpartition("sha256:")[2].partition(".")[0] for path in manifests | blobs}
    assert {path.rpartition("/")[2] for path in names_below(layout.root / "pool")} == hexes


async def test_sixty_publications() -> None:
    """Whatever was published, pinned, blocked, rolled back, collected: both servers answer what the model says."""
    await walk(SEED, PUBLICATIONS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 112))
async def test_other_walks(seed: int) -> None:
    """The same on other ways, longer."""
    await walk(seed, 3 * PUBLICATIONS)
