"""Group commit: what many tasks ask for while one batch is being committed makes up the next batch.

A batch that could begin waits a moment for items that were announced: a few files each time cost the threads' and the
event loop's wakeups, and on a disk an fsync, as often as there are batches.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 0.01
"""Seconds that a batch waits for what was announced, at most."""


class Batches(Generic[Item, Result]):
    """Commits items in batches, one batch at a time; `drain` must be running for anything to be committed."""

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], limit: int, weigh: Callable[[Item], int]
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._weigh = weigh
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._arrived = asyncio.Event()
        self._coming = 0
        self._all_came = asyncio.Event()

    @contextlib.contextmanager
    def announced(self) -> Iterator[None]:
        """Within the block an item is on its way; who leaves it adds the item at once, or has none."""
        self._coming += 1
        self._all_came.clear()
        try:
            yield
        finally:
            self._coming -= 1
            if not self._coming:
                self._all_came.set()

    async def add(self, item: Item) -> Result:
        """Commit ``item`` with the next batch and give its result; raises what its batch raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._arrived.set()
        return await future

    async def drain(self) -> None:
        """Commit batches until cancelled."""
        while True:
            await self._arrived.wait()
            await self._gather()
            batch = self._take()
            if not batch:
                self._arrived.clear()
                continue
            try:
                results = await self._commit([item for item, _ in batch])
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        _fail(future, error)
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():  # its task was cancelled meanwhile
                        future.set_result(result)

    async def _gather(self) -> None:
        """Wait a moment for what was announced."""
        if self._coming and self._waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._all_came.wait()

    def _take(self) -> list[tuple[Item, "asyncio.Future[Result]"]]:
        weight = 0
        for count, (item, _) in enumerate(self._waiting):
            weight += self._weigh(item)
            if weight > self._limit and count:
                break
        else:
            count = len(self._waiting)
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch


def _fail(future: "asyncio.Future[Result]", error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(error)
