"""A clock that stands still while anything is done, and jumps to the next moment that somebody waits for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class VirtualClock:
    """Time for a daemon: it passes only while no run is under way."""

    time: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    end: datetime = datetime(9999, 1, 1, tzinfo=UTC)
    """When it is over: then nobody waits any more, and ``ended`` is called."""
    is_busy: Callable[[], bool] = lambda: False
    ended: Callable[[], None] = lambda: None
    look: timedelta = timedelta(seconds=60)
    jumps: dict[datetime, timedelta] = field(default_factory=dict)
    """What happens to the clock at a time, as an administrator or a suspended laptop has it."""

    def now(self) -> datetime:
        """The time."""
        return self.time

    async def wait(self, event: asyncio.Event, until: datetime) -> None:
        """Jump to ``until`` where nothing goes on; else wait for the event."""
        await asyncio.sleep(0)
        if self.is_busy():
            await event.wait()
            return
        if event.is_set():
            return
        if until >= self.end:
            self.time = self.end
            self.ended()
            return
        self.time = max(until, self.time)
        for moment in [moment for moment in self.jumps if moment <= self.time]:
            self.time += self.jumps.pop(moment)
