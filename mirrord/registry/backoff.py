"""When to ask again after an answer that may be better next time, and when to stop.

Not stamina's loop: the wait may belong to the whole host and not to one call (``Retry-After``), a transfer that got
on begins with fresh attempts, and what ends the attempts may be an image left for the next run instead of a failure.
"""

import asyncio
import random

from msgspec import Struct

from mirrord.errors import DeferredError
from mirrord.registry.failures import TransientError
from mirrord.registry.gate import Gate
from mirrord.registry.wire import Counters

_RANDOM = random.SystemRandom()


class Backoff(Struct, frozen=True):
    """Waits between attempts: full jitter between ``floor`` and a bound that doubles from there to ``ceiling``."""

    floor: float = 0.5
    ceiling: float = 60.0

    def after(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number ``attempt`` (from 1)."""
        bound = min(self.ceiling, self.floor * 2.0 ** min(attempt, 64))
        return _RANDOM.uniform(min(self.floor, bound), bound)


class Attempts(Struct):
    """The attempts of one request or transfer."""

    limit: int
    backoff: Backoff
    gate: Gate
    counters: Counters
    failed: int = 0

    async def again(self, failure: TransientError) -> None:
        """Wait as long as the next attempt has to, or raise the failure's error where there is none.

        An attempt at another endpoint is at once, and counts for nothing: each is passed over then for a while. Raises
        DeferredError where the host asks for a longer wait than a run may make, or throttles to the last.
        """
        if failure.moved:
            self.counters.retries += 1
            return
        self.failed += 1
        delay = max(self.backoff.after(self.failed), failure.retry_after or 0.0)
        shared = failure.throttled or failure.retry_after is not None
        if shared:
            self.gate.hold(delay, str(failure.error))
            self.gate.check()
        if self.failed >= self.limit:
            if failure.throttled:
                raise DeferredError(str(failure.error), seconds=delay) from failure.error
            raise failure.error
        self.counters.retries += 1
        if failure.connecting:  # nobody else need find out meanwhile
            self.gate.pause(delay, str(failure.error))
        elif not shared:
            await asyncio.sleep(delay)

    def renew(self) -> None:
        """Begin counting anew: the transfer got on."""
        self.failed = 0
