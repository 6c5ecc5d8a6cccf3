"""A loop whose clock jumps to the next timer whenever nothing is to be done: minutes of waiting pass in no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE = 0.02
"""Real seconds that sockets and threads get to say something before time jumps."""


class _Jumping(selectors.DefaultSelector):
    """Waits for real only as long as something may come of it."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; else the clock goes on by ``timeout`` at once."""
        if timeout is None or timeout <= GRACE:
            return list(super().select(timeout))
        ready = list(super().select(GRACE))
        if not ready:
            self.jumped += timeout - GRACE
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with that clock."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """The time that passed, and that which was jumped over."""
        return super().time() + self._jumping.jumped


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` by a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()
