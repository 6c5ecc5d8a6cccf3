"""A process that links to files of the pool while it sweeps them. Its argument is a root, which it fills.

It says that it is ready, waits for a line on standard input, and prints how many images had to be brought again.
"""

import asyncio
import sys
from pathlib import Path

from mirrord.config.reserve import Reserve
from mirrord.demo.images import BuiltImage, image, layer
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.record import Held
from mirrord.store.retention import Retention
from mirrord.store.snapshot import Reason
from mirrord.store.store import Store, open_store

ROUNDS = 8
FIRST = image("first")


def images(number: int) -> list[BuiltImage]:
    """What one round links."""
    return [image(f"{number} {each}", layers=[layer(f"{number} {each}")]) for each in range(10)]


async def bring(store: Store, built: BuiltImage) -> None:
    """Have an image's blobs in the pool."""
    for content in built.contents():
        await store.add_small(Digest.of(content), content)


async def link(store: Store, built: BuiltImage) -> int:
    """Link an image, as a run does: what left the pool meanwhile is brought again."""
    again = 0
    async with store.repository_lock("base"):
        while not await store.complete("base", built.manifest, built.manifest.blobs):
            await bring(store, built)
            again += 1
    return again


async def main(root: Path) -> None:
    """Sweep and link at once: every file of the pool is old by the sweep's clock, which is far ahead."""
    retention = Retention(keep_last=1, keep_daily=0, keep_weekly=0, grace=60)
    again = 0
    async with open_store(root, command="test", threads=4, reserve=Reserve(size=0)) as store:
        await bring(store, FIRST)
        await link(store, FIRST)
        change = Change("base", Repository("r.test", "base"), {"1": Held(FIRST.digest, FIRST.manifest.kind, 1)})
        await store.publish([change], Reason("", ""))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for number in range(ROUNDS):
            for built in images(number):
                await bring(store, built)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(store.collect(retention, is_dry=False, clock=lambda: 1e10))
                linked = [tasks.create_task(link(store, built)) for built in images(number)]
            again += sum(each.result() for each in linked)
    sys.stdout.write(f"{again}\n")


asyncio.run(main(Path(sys.argv[1])))
