"""The time of day, and waiting for it: the one place where the daemon learns what time it is."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    look: timedelta
    """How often it is looked at, at least: it may jump, and the host may sleep."""

    def now(self) -> datetime:
        """The time, aware, in UTC. It may jump, also backwards."""

    async def wait(self, event: asyncio.Event, until: datetime) -> None:
        """Wait until ``event`` is set, or it is ``until``."""


class SystemClock:
    """The host's own."""

    look = timedelta(seconds=60)

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, until: datetime) -> None:
        """Wait until ``event`` is set, or so much time has passed as it is to ``until`` now."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), max((until - self.now()).total_seconds(), 0.0))
