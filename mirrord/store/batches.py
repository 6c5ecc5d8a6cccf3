"""Group commit: what many tasks ask for while one batch is being committed makes up the next batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
