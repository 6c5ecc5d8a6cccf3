"""What many tasks ask for at once is committed together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from mirrord.store.batches import Batches


@contextlib.asynccontextmanager
async def draining(committed: list[list[int]]) -> AsyncIterator[Batches[int, int]]:
    """Batches of at most ten, noted as they are committed."""

    async def commit(items: Sequence[int]) -> Sequence[int]:
        committed.append(list(items))
        await asyncio.sleep(0)
        return items

    batches = Batches(commit, 10, lambda _: 1)
    drain = asyncio.create_task(batches.drain())
    try:
        yield batches
    finally:
        drain.cancel()
        await asyncio.wait([drain])


async def test_what_was_announced_comes_with_the_batch() -> None:
    """A first item waits for a second one that is on its way, and both are one batch."""
    committed: list[list[int]] = []
    async with draining(committed) as batches:

        async def late() -> None:
            with batches.announced():
                for _ in range(5):
                    await asyncio.sleep(0)
            await batches.add(2)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(late())
            await asyncio.sleep(0)
            tasks.create_task(batches.add(1))
        assert committed == [[1, 2]]


async def test_what_was_announced_and_does_not_come_holds_nobody_up() -> None:
    """An announcement that never ends delays a batch, and does not stop it."""
    committed: list[list[int]] = []
    async with draining(committed) as batches:
        with batches.announced():
            async with asyncio.timeout(30):
                assert await batches.add(1) == 1
    assert committed == [[1]]
