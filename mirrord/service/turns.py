"""Who works on the root beside the daemon's runs: many at once, or one that is alone. It begins nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from msgspec import Struct, field


class Turns(Struct):
    """Places for what is no run."""

    is_at_work: Callable[[], bool]
    """Whether a run or upkeep is under way."""
    is_over: Callable[[], None]
    """Told when one that had a place is done, or waits for one no longer."""
    _others: int = 0
    _waiting: int = 0
    """Who waits to be alone."""
    _is_alone: bool = False
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def holds_back(self) -> bool:
        """Whether nothing may begin: somebody is alone, or waits to be."""
        return self._is_alone or self._waiting > 0

    @contextlib.asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[None]:
        """A place for something else than a run; ``alone``: once nothing goes on, and nothing begins until its end."""
        self._waiting += alone
        try:
            while not self._is_free(alone=alone):
                self._freed.clear()
                await self._freed.wait()
        except asyncio.CancelledError:
            self.is_over()  # nobody is held back by it any more
            raise
        finally:
            self._waiting -= alone
        self._others += 1
        self._is_alone = alone
        try:
            yield
        finally:
            self._others -= 1
            self._is_alone = False
            self.is_over()

    def look_again(self) -> None:
        """Something is over: whoever waits for a place looks whether it is free."""
        self._freed.set()

    def _is_free(self, *, alone: bool) -> bool:
        return not self._is_alone and not (alone and (self._others > 0 or self.is_at_work()))
