"""A store that a test fills by itself, with a clock of its own; and a model of what it must serve."""

import contextlib
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirrord.config.reserve import Reserve
from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.collect import Collected
from mirrord.store.layout import Layout
from mirrord.store.record import Held
from mirrord.store.retention import Retention
from mirrord.store.snapshot import Reason
from mirrord.store.store import Published, Store, open_store

SOON = Retention(keep_last=1, keep_daily=0, keep_weekly=0, grace=60.0)
"""Keep the served snapshot alone, and let content go as soon as it may."""
MINUTE, HOUR = 60.0, 3600.0
_TRIES = 20
"""By a clock that is ahead even a file of this second may be old enough to leave the pool before it is linked."""

Tags = Mapping[str, BuiltImage | None]
"""What tags shall name; None drops one."""


@dataclass(slots=True)
class Clock:
    """The time, as far ahead of the real one as a test has let it run."""

    ahead: float = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead


@dataclass(slots=True)
class Keeper:
    """Who fills a store as a sync does, and has it collected."""

    store: Store
    clock: Clock = field(default_factory=Clock)

    @property
    def layout(self) -> Layout:
        """The root's paths."""
        return self.store.layout

    async def put(self, repository: str, image: BuiltImage) -> Held:
        """Have an image whole in a repository; no tag names it yet. Its blobs and manifests come as a sync's do."""
        contents = tuple(image.contents())
        for manifest in image.manifests():
            for _ in range(_TRIES):
                for content in contents:
                    await self.store.add_small(Digest.of(content), content)
                if await self.link(repository, manifest):
                    break
            else:
                raise AssertionError(f"blobs of {manifest.digest} left the pool {_TRIES} times")
        children = dict.fromkeys(manifest.digest for manifest in image.manifests())
        return Held(image.digest, image.manifest.kind, 1, children=tuple(children)[:-1])

    async def link(self, repository: str, manifest: Manifest) -> bool:
        """Make a manifest visible by digest; False where a blob of it is not in the pool."""
        return await self.store.complete(repository, manifest, manifest.blobs)

    async def serve(self, changes: Mapping[str, Tags]) -> Published:
        """What a run does: hold each repository's lock, bring what is wanted, publish all of it together."""
        async with contextlib.AsyncExitStack() as locks:
            wanted = []
            for name, tags in changes.items():
                await locks.enter_async_context(self.store.repository_lock(name))
                held = {tag: await self.put(name, image) for tag, image in tags.items() if image is not None}
                dropped = frozenset(tag for tag, image in tags.items() if image is None)
                wanted.append(Change(name, Repository("registry.test", name), held, dropped))
            return await self.store.publish(wanted, Reason("run", "test"))

    async def collect(self, retention: Retention = SOON, *, is_dry: bool = False) -> Collected:
        """Collect garbage by this keeper's clock."""
        return await self.store.collect(retention, is_dry=is_dry, clock=self.clock)

    async def collect_all(self) -> None:
        """Let all that may ever go be gone: snapshots, what waits for its grace, and the pool's files."""
        for _ in range(3):
            self.clock.ahead += HOUR
            found = await self.collect()
            assert not found.doubts
            assert not found.skipped


@contextlib.asynccontextmanager
async def keeping(root: Path, clock: Clock | None = None) -> AsyncIterator[Keeper]:
    """Hold ``root`` until the block ends."""
    async with open_store(root, command="test", threads=2, reserve=Reserve(size=0)) as store:
        yield Keeper(store, clock or Clock())


def names_below(directory: Path) -> frozenset[str]:
    """Every file below a directory, by its path there."""
    return frozenset(
        os.path.relpath(os.path.join(place, name), directory)
        for place, _, names in os.walk(directory)
        for name in names
    )


def stamps(root: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, links and mtime (ns) of everything in a root but what names its writer and what it stages."""
    found = {}
    for room in ("pool", "content", "generations", "snapshots", "state", "current", "root.json"):
        walked = [os.path.join(place, name) for place, _, names in os.walk(root / room) for name in (".", *names)]
        for path in [*walked, str(root / room)]:
            if os.path.lexists(path):
                status = os.lstat(path)
                found[path] = (status.st_ino, status.st_nlink, status.st_mtime_ns)
    return found


def edit_json(path: Path, **changes: object) -> None:
    """Change keys of a JSON document that nobody reads meanwhile, in place of a clock that can't be moved."""
    document = json.loads(path.read_bytes())
    mode = path.stat().st_mode & 0o777
    path.unlink()
    path.write_text(json.dumps(document | changes))
    path.chmod(mode)


Served = dict[str, dict[str, BuiltImage]]
"""By repository and tag."""


def manifests_of(built: BuiltImage) -> frozenset[Digest]:
    """An image's manifests at every depth."""
    return frozenset(manifest.digest for manifest in built.manifests())


@dataclass(slots=True)
class Model:
    """What must be served, kept by dictionaries alone: no generation, no link, no file."""

    grace: float
    served: Served = field(default_factory=dict)
    snapshots: dict[str, Served] = field(default_factory=dict)
    """Those there are, oldest first."""
    published: dict[str, float] = field(default_factory=dict)
    """When each of them was."""
    pins: set[str] = field(default_factory=set)
    held: set[str] | None = field(default_factory=set)
    """Repositories that a rollback holds; None is all."""
    target: str = ""
    """What the rollback in force went back to."""
    blocked: set[Digest] = field(default_factory=set)
    gone: set[tuple[str, Digest]] = field(default_factory=set)
    """Manifests of repositories that a block took away, and that nobody brought again."""
    left: dict[tuple[str, Digest], float] = field(default_factory=dict)
    """When a manifest was last served of those that are not now."""

    def is_held(self, repository: str) -> bool:
        """Whether publications leave it alone."""
        return self.held is None or repository in self.held

    def with_changes(self, changes: Mapping[str, Tags]) -> Served:
        """What is served after a run's publication."""
        after = {name: dict(tags) for name, tags in self.served.items()}
        for name, tags in changes.items():
            if not self.is_held(name):
                now = after.setdefault(name, {})
                now |= {tag: built for tag, built in tags.items() if built is not None}
                for tag in [tag for tag, built in tags.items() if built is None]:
                    now.pop(tag, None)
        return self.without_blocked(after)

    def with_rollback(self, target: str, repository: str | None) -> Served:
        """What is served after a rollback."""
        old = self.snapshots[target]
        if repository is None:
            return self.without_blocked(old)
        after = {name: tags for name, tags in self.served.items() if name != repository}
        return self.without_blocked(after | ({repository: old[repository]} if repository in old else {}))

    def without_blocked(self, served: Served) -> Served:
        """The same without what is blocked, and without repositories that have nothing left."""
        free = {
            name: {tag: built for tag, built in tags.items() if not manifests_of(built) & self.blocked}
            for name, tags in served.items()
        }
        return {name: tags for name, tags in free.items() if tags}

    def serves(self, after: Served, snapshot: str, now: float) -> None:
        """Take note that this is served from now on."""
        before, new = named(self.served), named(after)
        self.left |= dict.fromkeys(before - new, now)
        for each in new:
            self.left.pop(each, None)
        self.served = after
        self.snapshots[snapshot] = after
        self.published[snapshot] = now

    def is_whole(self, served: Served) -> bool:
        """Whether all of it is still on disk, but for what is blocked anyway."""
        return not named(self.without_blocked(served)) & self.gone

    def pullable(self, now: float) -> frozenset[tuple[str, Digest]]:
        """Each repository and digest that a client must get: served, in its grace, or of a snapshot that stays."""
        within = {each for each, since in self.left.items() if now - since <= self.grace}
        kept = {each for name in self.must_stay(now) for each in named(self.snapshots[name])}
        all_of_it = named(self.served) | within | kept
        return frozenset((name, digest) for name, digest in all_of_it - self.gone if digest not in self.blocked)

    def must_stay(self, now: float) -> frozenset[str]:
        """The snapshots that no collection may take, whatever the counts of the retention are."""
        names = list(self.snapshots)
        replaced = {old: self.published[new] for old, new in itertools.pairwise(names)}
        recent = {old for old, since in replaced.items() if now - since <= self.grace}
        return frozenset({*names[-1:], *recent, *(({self.target} | self.pins) & self.snapshots.keys())})


def named(served: Served) -> frozenset[tuple[str, Digest]]:
    """Each repository with each manifest that its tags name, at every depth."""
    return frozenset(
        (name, digest) for name, tags in served.items() for built in tags.values() for digest in manifests_of(built)
    )
