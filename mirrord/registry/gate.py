"""The gate of one host: how many requests at a time, how many a second, and none before the time it asked to wait for.

It never sleeps longer than it has to and holds no timer of its own: all waits are by the loop's clock.
"""

import asyncio
from collections import deque

from mirrord.errors import DeferredError
from mirrord.events import get_logger

START = 4
"""Requests at a time to begin with. Each answer allows one more up to `concurrency`: a fast host is soon there."""
REGROW = 10.0
"""Seconds without a 429 after which one more request at a time is tried again."""
SAME_BURST = 1.0
"""Seconds within which several 429 are one: they answer what was under way together."""

_log = get_logger()
_TOLD_AGAIN = 1.0
"""Seconds by which a wait must grow to be worth another line in the log."""


class Places:
    """How many requests may be under way: grown by answers, halved by a 429, then grown again slowly."""

    def __init__(self, most: int) -> None:
        self.limit = min(START, most)
        self._most = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halved_at: float | None = None
        self._grows_at = 0.0

    async def take(self) -> None:
        """Wait for a place; the first who came is the first who gets one."""
        if self._taken < self.limit and not self._waiting:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn  # who gives a place back has counted this one
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting = deque(other for other in self._waiting if other is not turn)
            else:
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free a place."""
        self._taken -= 1
        self._admit()

    def answered(self, now: float) -> None:
        """Take note of an answer: one place more, at once where the host never throttled, else after a while."""
        if self.limit >= self._most or now < self._grows_at:
            return
        self.limit += 1
        if self._halved_at is not None:
            self._grows_at = now + REGROW
        self._admit()

    def throttled(self, now: float) -> None:
        """Take note of a 429: half the places."""
        if self._halved_at is None or now > self._halved_at + SAME_BURST:
            self.limit = max(1, self.limit // 2)
            self._halved_at = now
        self._grows_at = now + REGROW

    def _admit(self) -> None:
        while self._waiting and self._taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)


class Gate:
    """One host's limits. A wait belongs to the host: nobody asks it meanwhile."""

    def __init__(
        self,
        host: str,
        places: Places,
        everybody: asyncio.Semaphore,
        max_wait: float,
        *,
        per_second: float | None = None,
    ) -> None:
        self.places = places
        self._host = host
        self._everybody = everybody
        self._max_wait = max_wait
        self._interval = 1.0 / per_second if per_second else 0.0
        self._next = 0.0
        """When the next request may go: evenly spaced, so that a pause is not followed by a burst."""
        self._not_before = 0.0
        self._reason = ""

    async def enter(self) -> None:
        """Wait until one request may be sent; `leave` when its answer is read. Raises DeferredError.

        The host's own place comes first: who waits for one host holds no place that another host's request needs.
        """
        await self.places.take()
        is_in = False
        try:
            if self._not_before or self._interval:
                await self._wait()
            is_in = await self._everybody.acquire()
        finally:
            if not is_in:
                self.places.give_back()

    def leave(self) -> None:
        """Free the place that `enter` took."""
        self._everybody.release()
        self.places.give_back()

    def hold(self, seconds: float, reason: str, event: str = "upstream.throttled") -> None:
        """Let nobody pass for ``seconds``; a shorter wait changes nothing."""
        until = asyncio.get_running_loop().time() + seconds
        if until > self._not_before + _TOLD_AGAIN:
            _log.warning(event, host=self._host, seconds=round(seconds, 1), reason=reason)
        if until > self._not_before:
            self._not_before, self._reason = until, reason

    def pause(self, seconds: float, reason: str) -> None:
        """Let nobody pass while the host is tried again: no longer than a run waits, so that it defers nothing."""
        self.hold(min(seconds, self._max_wait), reason, "upstream.unreachable")

    def check(self) -> None:
        """Raise DeferredError where the wait is longer than a run may make."""
        seconds = self._remaining()
        if seconds > self._max_wait:
            raise DeferredError(
                f"{self._reason}; {self._host} is to be asked again in {seconds:.0f} s, longer than a run waits "
                f"(limits.max_wait, {self._max_wait:.0f} s): left for the next run",
                seconds=seconds,
            )

    async def _wait(self) -> None:
        while True:
            while (seconds := self._remaining()) > 0:
                self.check()
                await asyncio.sleep(seconds)
            if not self._interval:
                return
            now = asyncio.get_running_loop().time()
            turn = max(self._next, now)
            self._next = turn + self._interval
            if turn <= now:
                return
            await asyncio.sleep(turn - now)
            if self._remaining() <= 0:
                return

    def _remaining(self) -> float:
        return self._not_before - asyncio.get_running_loop().time()
