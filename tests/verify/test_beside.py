"""Verifying beside whoever writes: a run, a publication, a collection. What is under way is no damage."""

import asyncio
import functools
import time

import pytest
from support.closed import check_tree
from support.damage import AMD
from support.mirror import HOST, Mirror
from support.scripted import Scripted
from support.verifying import verified

from mirrord.config.loader import load
from mirrord.demo.images import image, layer
from mirrord.store.pool import SmallFile, add_small
from mirrord.store.retention import Retention
from mirrord.store.store import open_store

ROUNDS = 12


async def test_a_sync_at_work_is_no_damage(copy: tuple[Mirror, Scripted]) -> None:
    """While runs add, move and drop tags and publish, a verification beside them finds nothing, again and again."""
    mirror, upstream = copy
    done = asyncio.Event()
    looks = 0

    async def look() -> None:
        nonlocal looks
        while not done.is_set():
            assert (await verified(mirror.root)).findings == ()
            looks += 1

    async def work() -> None:
        for number in range(ROUNDS):
            for tag in ("1", "2", f"new {number}".replace(" ", "-")):
                upstream.push("app", image(f"{tag} {number}", layers=(layer(f"{tag} {number}"),)), tag)
            await mirror.sync()
        done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        tasks.create_task(work())
    assert looks > 1


async def test_a_collection_at_work_is_no_damage(copy: tuple[Mirror, Scripted]) -> None:
    """While what nothing names is deleted level by level, a verification beside it finds nothing."""
    mirror, upstream = copy
    done = asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            assert (await verified(mirror.root)).findings == ()

    async def work() -> None:
        gone = 0
        for number in range(ROUNDS):
            upstream.push("app", image(f"moving {number}"), "2")
            await mirror.sync()
            async with open_store(mirror.root, command="gc", threads=2, reserve=load(mirror.config).reserve) as store:
                for later in (1e6, 2e6):  # what the first finds unnamed, the second deletes
                    retention = Retention(keep_last=1, keep_daily=0, keep_weekly=0)
                    clock = functools.partial(sum, (time.time(), later))
                    gone += len((await store.collect(retention, is_dry=False, clock=clock)).victims)
        assert gone > ROUNDS
        done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        tasks.create_task(work())
    check_tree(mirror.root)


async def test_what_another_file_system_limit_split_is_whole(copy: tuple[Mirror, Scripted]) -> None:
    """STORAGE hole 23: where the pool's name was given to a fresh copy, the older links hold equal bytes: no damage."""
    mirror, _ = copy
    shared = mirror.layout.pooled(AMD.manifest.layers[0].digest)
    content = shared.read_bytes()
    shared.unlink()
    add_small(mirror.layout, [SmallFile(AMD.manifest.layers[0].digest, content)])
    found = await verified(mirror.root)
    assert found.findings == ()
    assert found.unlinked == 2
    assert found.bytes > 2 * len(content)


async def test_blocked_content_is_not_missed(copy: tuple[Mirror, Scripted]) -> None:
    """What an operator blocked is gone from older snapshots' repositories too, and that is no damage."""
    mirror, _ = copy
    await mirror.command("block", f"{HOST}/app:2")
    await mirror.command("block", str(AMD.digest))
    assert (await verified(mirror.root)).findings == ()


@pytest.mark.parametrize("leftover", ["staged", "unpublished"])
async def test_what_a_dead_run_left_is_no_damage(copy: tuple[Mirror, Scripted], leftover: str) -> None:
    """What was half built, in staging or torn by a power cut in its place, was never published: it is not missed."""
    mirror, _ = copy
    layout = mirror.layout
    room = layout.staging if leftover == "staged" else next(layout.generations.iterdir())
    (room / "_00000099-0123456789abcdef" / "tags").mkdir(parents=True)
    (room / "_00000099-0123456789abcdef" / "record.json").write_bytes(b"")
    if leftover == "unpublished":
        (layout.snapshots / "00000099-20300101T000000Z").mkdir()
    assert (await verified(mirror.root)).findings == ()
