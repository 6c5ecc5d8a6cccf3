"""Reading a root from async code, without its lock: what is held, and whether it is complete."""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest
from mirrord.store import content
from mirrord.store.failures import any_host_error
from mirrord.store.layout import Layout
from mirrord.store.reading import read_file
from mirrord.store.record import Record
from mirrord.store.suspects import Suspects
from mirrord.store.tree import Tree
from mirrord.store.verify_mend import is_incomplete

T = TypeVar("T")


class Reader:
    """A root seen by one who does not write; each call runs on a worker thread. An absent root holds nothing."""

    def __init__(self, layout: Layout, threads: ThreadPoolExecutor) -> None:
        self.layout = layout
        self.tree = Tree(layout)
        self._threads = threads
        self.suspects: Suspects | None = None
        """What counts as absent though it is there; None until somebody asks."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run one blocking call on a worker thread. Raises HostError for an OSError that it does not deal with.

        Who is cancelled meanwhile ends when the call has: whatever lock is held for it goes no sooner.
        """
        with any_host_error(self.layout.root):
            work = self._threads.submit(contextvars.copy_context().run, call)  # its events belong to who asked
            ended = asyncio.wrap_future(work)
            try:
                return await asyncio.shield(ended)
            except asyncio.CancelledError:
                if not work.cancel():  # it has begun
                    await _outwaited(ended)
                raise

    async def repositories(self) -> tuple[str, ...]:
        """The names served now."""
        return await self.run(self.tree.repositories)

    async def record(self, repository: str) -> Record | None:
        """What the served generation of a repository holds."""
        return await self.run(lambda: self.tree.record(repository))

    async def held_children(
        self, repository: str, images: Mapping[str, content.Demand]
    ) -> Mapping[str, tuple[Digest, ...]]:
        """By key, the manifests below each image that is complete (checked on the tree itself); others are left out.

        Raises HostError for damage.
        """

        def look() -> Mapping[str, tuple[Digest, ...]]:
            content.check_rooms(self.layout, repository)
            doubted = self._read_suspects().of(repository)
            found = {
                key: content.held_children(self.layout, repository, image, doubted) for key, image in images.items()
            }
            return {key: children for key, children in found.items() if children is not None}

        return await self.run(look)

    def _read_suspects(self) -> Suspects:
        """What counts as absent, read once; blocks."""
        if self.suspects is None:
            found = Suspects.load(self.layout)
            left = frozenset(entry for entry in found.incomplete if is_incomplete(self.layout, entry))
            self.suspects = Suspects(found.damaged, left)
        return self.suspects

    async def read_manifest(self, repository: str, digest: Digest) -> Manifest | None:
        """A manifest the repository has. Raises HostError for damage."""
        return await self.run(lambda: content.read_manifest(self.layout, repository, digest))

    async def read_blob(self, repository: str, blob: Descriptor) -> bytes:
        """A small blob that the repository has, whole. Raises HostError where it is absent or damaged."""
        path = self.layout.blob(repository, blob.digest)

        def read() -> bytes:
            try:
                return read_file(self.layout.root, path, blob.size)
            except FileNotFoundError:
                return b""

        found = await self.run(read)
        if not blob.digest.matches(found):
            manifests = self.layout.manifests(repository)
            raise HostError(f"{path} is gone or damaged; remove what is left of it and {manifests}, and sync again")
        return found


async def _outwaited(ended: "asyncio.Future[T]") -> None:
    """Wait for ``ended`` however often that is cancelled."""
    while not ended.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([ended])
    ended.exception()  # nobody is left to hear it
