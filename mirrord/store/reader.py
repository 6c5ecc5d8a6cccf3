"""Reading a root from async code, without its lock: what is held, and whether it is complete."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest
from mirrord.oci.platform import PlatformChoice
from mirrord.store import content
from mirrord.store.layout import Layout
from mirrord.store.record import Record
from mirrord.store.tree import Tree

T = TypeVar("T")


class Reader:
    """A root seen by one who does not write; each call runs on a worker thread. An absent root holds nothing."""

    def __init__(self, layout: Layout, threads: ThreadPoolExecutor) -> None:
        self.layout = layout
        self.tree = Tree(layout)
        self._threads = threads

    async def run(self, call: Callable[[], T]) -> T:
        """Run one blocking call on a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def repositories(self) -> tuple[str, ...]:
        """The names served now."""
        return await self.run(self.tree.repositories)

    async def record(self, repository: str) -> Record | None:
        """What the served generation of a repository holds."""
        return await self.run(lambda: self.tree.record(repository))

    async def held_children(
        self, repository: str, images: Mapping[str, tuple[Digest, PlatformChoice]]
    ) -> Mapping[str, tuple[Digest, ...]]:
        """By key, the manifests below each image that is complete (checked on the tree itself); others are left out."""
        return await self.run(
            lambda: {
                key: children
                for key, (digest, choice) in images.items()
                if (children := content.held_children(self.layout, repository, digest, choice)) is not None
            }
        )

    async def read_manifest(self, repository: str, digest: Digest) -> Manifest | None:
        """A manifest the repository has."""
        return await self.run(lambda: content.read_manifest(self.layout, repository, digest))
