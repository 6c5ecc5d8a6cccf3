"""The gate of one host: how many requests at a time, and none before the time the host asked to wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from mirrord.errors import DeferredError

_log = structlog.get_logger()
_TOLD_AGAIN = 1.0
"""Seconds by which a wait must grow to be worth another line in the log."""


class Gate:
    """One host's limits. A wait belongs to the host: nobody asks it meanwhile."""

    def __init__(self, host: str, concurrency: int, everybody: asyncio.Semaphore, max_wait: float) -> None:
        self._host = host
        self._places = asyncio.Semaphore(concurrency)
        self._everybody = everybody
        self._max_wait = max_wait
        self._not_before = 0.0
        self._reason = ""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One request's place, from when it may be sent until its answer is read. Raises DeferredError.

        The host's own place comes first: who waits for one host holds no place that another host's request needs.
        """
        async with self._places:
            while (seconds := self._remaining()) > 0:
                self.check()
                await asyncio.sleep(seconds)
            async with self._everybody:
                yield

    def hold(self, seconds: float, reason: str) -> None:
        """Let nobody pass for ``seconds``; a shorter wait changes nothing."""
        until = asyncio.get_running_loop().time() + seconds
        if until > self._not_before + _TOLD_AGAIN:
            _log.warning("upstream.throttled", host=self._host, seconds=round(seconds, 1), reason=reason)
        if until > self._not_before:
            self._not_before, self._reason = until, reason

    def check(self) -> None:
        """Raise DeferredError where the wait is longer than a run may make."""
        seconds = self._remaining()
        if seconds > self._max_wait:
            raise DeferredError(
                f"{self._reason}; {self._host} is to be asked again in {seconds:.0f} s, longer than a run waits "
                f"(limits.max_wait, {self._max_wait:.0f} s): left for the next run",
                seconds=seconds,
            )

    def _remaining(self) -> float:
        return self._not_before - asyncio.get_running_loop().time()
