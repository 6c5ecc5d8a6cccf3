"""The store as async code sees it: every call runs on the store's worker threads; small files and links in batches."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.store import content, pool, publish, rollback, sweep
from mirrord.store.batches import Batches
from mirrord.store.blocks import Block
from mirrord.store.change import Brake, Change, PackedChange
from mirrord.store.collect import Clock, Collected, Collector
from mirrord.store.hold import Hold, read_hold
from mirrord.store.partial import Partial
from mirrord.store.publish import Publication
from mirrord.store.reader import Reader
from mirrord.store.removal import Removed, apply_block, unlink_unnamed
from mirrord.store.retention import Retention
from mirrord.store.room import Reserve, require_room
from mirrord.store.root import Root, hold
from mirrord.store.seen import Seen
from mirrord.store.snapshot import Reason, Turn, UndurableError
from mirrord.store.suspects import Suspects
from mirrord.store.tombstones import Tombstones
from mirrord.store.verify_mend import settled

T = TypeVar("T")

SMALL = 1 << 20
"""Bytes below which a blob is held in memory and written with its batch; larger ones stream into a file each."""
_BATCH_FILES = 512
_BATCH_BYTES = 32 << 20


class Published(Struct, frozen=True):
    """What came of asking for a publication."""

    publication: Publication | None
    """None where nothing changed."""
    held: tuple[str, ...]
    """Repositories that a rollback holds: their changes wait."""
    hold: Hold | None


class Store(Reader):
    """One root, held by this process as its one writer. Made by `open_store`."""

    def __init__(self, root: Root, threads: ThreadPoolExecutor, reserve: Reserve) -> None:
        super().__init__(root.layout, threads)
        self.now: Callable[[], datetime] = _now
        """The time, by which snapshots are published and grow old; a daemon has them go by its own clock."""
        self.seen = Seen(root.layout)
        """What need not be read again of the tree."""
        self._reserve = reserve
        self._downloads: set[Partial] = set()
        self._landings: dict[Digest, asyncio.Event] = {}
        """Of each blob that is being downloaded, when that is over."""
        self._sequence = root.next_sequence
        self.may_delete = True
        """Whether the last swap is known to be durable: until then nothing may be deleted."""
        self._publishing = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._linking = asyncio.Lock()
        """Held while links leave the pool, and while a directory of it is swept: a file may not go in between."""
        self._repositories: dict[str, asyncio.Lock] = {}
        self._small = Batches(
            self._commit_small, _BATCH_BYTES, lambda f: max(len(f.content), _BATCH_BYTES // _BATCH_FILES)
        )
        self._completions = Batches(self._commit_completions, _BATCH_FILES, lambda _: 1)

    def repository_lock(self, name: str) -> asyncio.Lock:
        """The lock of one repository: held from the first presence check until its changes are published or failed."""
        return self._repositories.setdefault(name, asyncio.Lock())

    async def survey(self, repository: str, blobs: Sequence[Descriptor]) -> content.Survey:
        """Where the blobs of a manifest are: in the repository, in the pool, nowhere."""
        return await self.run(lambda: content.survey(self.layout, repository, blobs))

    async def add_small(self, digest: Digest, verified: bytes) -> None:
        """Put verified bytes into the pool with the next batch; durable on return. Raises HostError."""
        await self._small.add(pool.SmallFile(digest, verified))

    def announced(self) -> contextlib.AbstractContextManager[None]:
        """Within the block something for `add_small` is on its way: its batch may wait a moment for it."""
        return self._small.announced()

    async def in_pool(self, blob: Descriptor) -> bool:
        """Whether the pool has a blob."""
        return await self.run(lambda: pool.size_in_pool(self.layout, blob.digest) == blob.size)

    @contextlib.asynccontextmanager
    async def download(self, blob: Descriptor) -> AsyncIterator[Partial | None]:
        """A partial to stream a large blob into, its space promised. Raises HostError when the disk is too full.

        There is one of a digest at a time: None where another run has brought the blob meanwhile.
        """
        while (landing := self._landings.get(blob.digest)) is not None:
            await landing.wait()
            if await self.in_pool(blob):  # else the next one tries: who that is, the loop looks again
                yield None
                return
        self._landings[blob.digest] = asyncio.Event()
        partial = Partial(self.layout, blob.digest, blob.size, self.run)
        try:
            self._require_room(blob.size, f"blob {blob.digest}")
            self._downloads.add(partial)
            await partial.open()
            yield partial
        finally:
            self._downloads.discard(partial)
            self.seen.stirs += 1
            await partial.close()
            self._landings.pop(blob.digest).set()

    async def complete(self, repository: str, manifest: Manifest, blobs: Sequence[Descriptor]) -> bool:
        """Make a manifest visible by digest: its blobs and children are there. False: bytes left the pool meanwhile."""
        await self.add_small(manifest.digest, manifest.raw)
        return await self.link(repository, manifest, blobs)

    async def link(self, repository: str, manifest: Manifest, blobs: Sequence[Descriptor]) -> bool:
        """The same where the manifest's own bytes were put into the pool before."""
        is_done = await self._completions.add(content.Completion(repository, manifest, tuple(blobs)))
        if is_done and self.suspects:
            self.suspects = self.suspects.without(repository, manifest.digest)
        return is_done

    def settle(self) -> None:
        """Take up what a repair that died left behind (blocks): nothing that its list names is trusted unhashed."""
        before = Suspects.load(self.layout)
        self.suspects = settled(self.layout, before)
        if self.suspects != before:
            self.suspects.save(self.layout)

    def is_suspect(self, repository: str, manifest: Digest) -> bool:
        """Whether a manifest counts as absent though it is there."""
        return self.suspects is not None and manifest in self.suspects.of(repository)

    async def suspect(self, suspects: Suspects) -> None:
        """Let these, and no others, count as absent; durable on return. Raises HostError."""
        self.suspects = suspects
        await self.run(lambda: suspects.save(self.layout))

    async def amend(self, call: Callable[[Turn], T]) -> T:
        """Run a repair of snapshots and generations: nobody publishes meanwhile, and it is its turn to."""
        async with self._publishing:
            return await self._as_next(call)

    async def decide(self, call: Callable[[], T]) -> T:
        """Run a change of what an operator decided (blocks, pins, a hold): nobody publishes or decides meanwhile."""
        async with self._publishing:
            return await self.run(call)

    async def tell(self, call: Callable[[], T]) -> T:
        """Run what tells of the mirror: one at a time, and beside whoever publishes: a whole mirror takes seconds."""
        async with self._telling:
            return await self.run(call)

    async def publish(
        self, changes: Sequence[Change | PackedChange], reason: Reason, brake: Brake | None = None
    ) -> Published:
        """Publish changes on top of what is served now, but for what a rollback holds. Raises BrakeError, HostError."""
        async with self._publishing:
            hold = await self.run(lambda: read_hold(self.layout))
            free, held = hold.divide(changes) if hold else (changes, ())
            publication = await self._as_next(lambda turn: publish.publish(self.layout, free, turn, reason, brake))
            return Published(publication, held, hold)

    async def roll_back(self, target: str, repository: str | None) -> Publication | None:
        """Serve snapshot ``target`` again (or one repository of it), and hold it. Raises ConfigError, HostError."""
        async with self._publishing:
            return await self._as_next(lambda turn: rollback.roll_back(self.layout, target, repository, turn))

    async def collect(self, retention: Retention, *, is_dry: bool, clock: Clock | None = None) -> Collected:
        """Collect garbage, or (``is_dry``) say what would go. Repositories that a run has in work are left for later.

        ``clock`` (the store's own) is when: asked for a later time, it says what would go then. Raises HostError: where
        the last swap may be undone by a power cut, or a barrier failed (UndurableError), nothing is deleted until a
        restart.
        """
        if not self.may_delete:
            raise HostError("the last publication may not be durable: nothing is deleted until mirrord starts again")
        collector = Collector(self.layout, retention, is_dry, self.seen, clock or (lambda: self.now().timestamp()))
        try:
            async with self._publishing:
                if not await self.run(collector.snapshots):
                    return collector.result
            await self.run(collector.empty_trash)
            tombstones = await self.run(lambda: Tombstones.load(self.layout))
            for name in await self.run(collector.repositories):
                await self._collect_repository(collector, name, tombstones)
            for room in await self.run(collector.pool_rooms):
                async with self._linking:
                    await self.run(functools.partial(collector.pool, room))
        except UndurableError:
            self.may_delete = False
            raise
        if not is_dry:
            self.seen.stirs += 1
            self.seen.lives_on()
            await self._remember(tombstones, collector.result)
        return collector.result

    async def _collect_repository(self, collector: Collector, name: str, tombstones: Tombstones) -> None:
        lock = self.repository_lock(name)
        if lock.locked():
            collector.result.skipped.append(name)
            return
        async with lock:
            await self.run(lambda: collector.repository(name, tombstones))

    async def _remember(self, tombstones: Tombstones, result: Collected) -> None:
        """Without room for the list the grace of what was found only begins anew: a full disk can be collected."""
        try:
            await self.run(lambda: tombstones.save(self.layout))
        except HostError as error:
            result.doubts.append(f"{error}; the grace of what nothing names begins anew")

    async def block(self, block: Block) -> Removed:
        """Take something out of what is served at once, and keep it out. A rollback's hold does not stop it.

        What only the blocked names led to can't be pulled by digest either, once no run has its repository in work.
        """
        async with self._publishing:
            removed = await self._as_next(lambda turn: apply_block(self.layout, block, turn))
        gone = removed.manifests
        for name, digests in removed.unnamed.items():
            async with self.repository_lock(name):
                gone += await self.run(functools.partial(unlink_unnamed, self.layout, name, digests))
        return replace(removed, manifests=gone)

    async def _as_next(self, publish_as: Callable[[Turn], T]) -> T:
        """Publish as the next snapshot; where the swap may be undone by a power cut, nothing is deleted any more."""
        turn, self._sequence = Turn(self._sequence, self.now()), self._sequence + 1
        try:
            return await self.run(lambda: publish_as(turn))
        except UndurableError:
            self.may_delete = False
            raise

    async def remove_partials(self, keep: frozenset[Digest], *, only_expired: bool) -> None:
        """Remove partial downloads that nothing needs."""
        names = frozenset(map(str, keep | {partial.digest for partial in self._downloads}))
        await self.run(lambda: sweep.remove_partials(self.layout, names, only_expired=only_expired))

    def _require_room(self, size: int, what: str) -> None:
        require_room(self.layout, self._reserve, size, what, sum(partial.missing for partial in self._downloads))

    async def _commit_small(self, batch: Sequence[pool.SmallFile]) -> Sequence[None]:
        unique = list({file.digest: file for file in batch}.values())
        self._require_room(sum(len(file.content) for file in unique), f"{len(unique)} small files")
        await self.run(lambda: pool.add_small(self.layout, unique))
        self.seen.stirs += 1
        return [None] * len(batch)

    async def _commit_completions(self, batch: Sequence[content.Completion]) -> Sequence[bool]:
        async with self._linking:
            return await self.run(lambda: content.complete(self.layout, batch))

    @contextlib.asynccontextmanager
    async def _committing(self) -> AsyncIterator[Self]:
        drains = [asyncio.create_task(self._small.drain()), asyncio.create_task(self._completions.drain())]
        try:
            yield self
        finally:
            for drain in drains:
                drain.cancel()
            await asyncio.wait(drains)


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def open_store(path: Path, *, command: str, threads: int, reserve: Reserve) -> AsyncIterator[Store]:
    """Hold the root at ``path`` as its writer until the end of the block. Raises HostError (see `root.hold`)."""
    with contextlib.ExitStack() as held, ThreadPoolExecutor(threads, "store") as workers:
        # Left from the inside out: first every worker ends what it does, then the lock goes.
        root = await asyncio.get_running_loop().run_in_executor(workers, held.enter_context, hold(path, command))
        async with Store(root, workers, reserve)._committing() as store:  # noqa: SLF001 - its own factory
            await store.run(store.settle)
            yield store
