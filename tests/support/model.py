"""A store that a test fills by itself, with a clock of its own; and a model of what it must serve."""

import contextlib
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
        for content in image.contents():
            await self.store.add_small(Digest.of(content), content)
        children: list[Digest] = []
        for manifest in image.manifests():
            assert await self.link(repository, manifest)
            children.append(manifest.digest)
        return Held(image.digest, image.manifest.kind, 1, children=tuple(dict.fromkeys(children[:-1])))

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
