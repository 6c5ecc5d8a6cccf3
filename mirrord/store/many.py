"""Many things side by side, so many at once: the first failure ends the others and is raised alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from mirrord.errors import MirrordError

T = TypeVar("T")


async def each(call: Callable[[T], Awaitable[None]], items: Iterable[T], at_once: int) -> None:
    """Await ``call`` with each of ``items``, taken from the iterator only when its turn comes."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await call(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(work())
    except ExceptionGroup as failed:
        errors = [error for error in failed.exceptions if isinstance(error, MirrordError)]
        if len(errors) == len(failed.exceptions):
            raise errors[0] from None
        raise
