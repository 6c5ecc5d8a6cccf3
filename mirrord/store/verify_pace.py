"""How fast verify may read: a rate as a decision over values, and the clock that carries it out."""

import asyncio
import time
from typing import Protocol, Self

from msgspec import Struct, field
from msgspec.structs import replace


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds, from any beginning, that only grow."""

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""


class SystemClock(Struct, frozen=True):
    """The host's own."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        await asyncio.sleep(seconds)


class Pace(Struct, frozen=True):
    """How much was read, in time: what was slower than the rate is not caught up on later."""

    rate: int | None
    """Bytes a second; None is unbounded."""
    due: float = 0.0
    """When all that was read so far may have been read, at that rate."""

    def after(self, began: float, count: int) -> Self:
        """The pace after ``count`` bytes whose reading began at ``began``."""
        if self.rate is None:
            return self
        return replace(self, due=max(self.due, began) + count / self.rate)

    def pause(self, now: float) -> float:
        """Seconds to wait before anything more is read."""
        return 0.0 if self.rate is None else max(self.due - now, 0.0)


class Pacer(Struct, frozen=True):
    """A rate and the clock it is kept by."""

    rate: int | None
    clock: Clock = field(default_factory=SystemClock)
