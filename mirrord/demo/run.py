"""The demo's main job, for real: a small upstream, one sync from a config, a server, and a check through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiofiles
from msgspec import Struct

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.demo.content import CONFIG, fill
from mirrord.demo.upstream import Upstream
from mirrord.errors import HostError
from mirrord.serve.address import Address
from mirrord.serve.embedded import make_app, serving
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.journal import write_down
from mirrord.sync.outcome import Progress, Report
from mirrord.sync.plan import plan_all
from mirrord.sync.run import Order, run_sync

_THREADS = 4


class Demo(Struct, frozen=True):
    """The demo as it stands once it serves."""

    config: str
    root: Path
    report: Report
    stored: int
    """Bytes in the pool."""
    saved: int
    """Bytes that the repositories name more than once, and that are kept once."""
    address: str
    """Where it is served: ``127.0.0.1:5050``."""


@asynccontextmanager
async def running_demo(place: Path, listen: Address) -> AsyncIterator[Demo]:
    """Mirror the demo's upstream into ``place`` and serve it while the block lasts (a free port where it is taken)."""
    async with Upstream.running() as upstream:
        fill(upstream)
        text = CONFIG.format(url=upstream.url)
        file, root = place / "mirrord.yaml", place / "mirror"
        async with aiofiles.open(file, "w", encoding="utf-8") as writer:
            await writer.write(text)
        config = await asyncio.to_thread(load, file)
        async with open_store(root, command="mirrord demo", threads=_THREADS, reserve=config.reserve) as store:
            plans = plan_all(images_of(config), await store.repositories())
            report = await run_sync(config, Order(plans, "mirrord demo", is_whole=True), store, Progress())
            await write_down(store, config, report)
        stored, named = await asyncio.to_thread(lambda: (_bytes_in(root / "pool"), _bytes_in(root / "content")))
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(serving(make_app(Tree.at(root)), listen))
        except HostError:
            bound = await stack.enter_async_context(serving(make_app(Tree.at(root)), Address(listen.host, 0)))
        yield Demo(text, root, report, stored, named - stored, str(bound.reachable()))


def _bytes_in(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
