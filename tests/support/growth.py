"""Whether the time of a call grows in proportion to what it is given: measured by doubling, never by the second."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SMALL = 4 << 10
FACTOR = 8
"""So many times as much is given the second time: squared, it takes 64 times as long."""
_TOLERATED = 3.0
"""Times as long as in proportion: caches, collections of garbage and neighbours on the machine cost something."""
_NOTHING = 0.02
"""Seconds of a whole large call below which nothing was squared: 32 KiB squared are a billion steps."""
_TURNS = 4


@dataclass(frozen=True, slots=True)
class Growth:
    """What a call took, least of several turns, in seconds of processor time."""

    small: float
    large: float

    @property
    def is_proportional(self) -> bool:
        """Whether it grew no faster than what was given."""
        return self.large < max(_NOTHING, self.small * FACTOR * _TOLERATED)


def growth(call: Callable[[str], object], make: Callable[[int], str], small: int = SMALL) -> Growth:
    """The cost of ``call`` for ``make(small)``, and for ``FACTOR`` times as much (once where it is quick)."""
    large = make(small * FACTOR)
    first = _once(call, large)
    if first < _NOTHING:
        return Growth(first, first)
    text = make(small)
    least = min(_once(call, text) for _ in range(_TURNS))
    return Growth(least, min(first, *(_once(call, large) for _ in range(_TURNS - 1))))


def _once(call: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    call(text)
    return time.process_time() - begun
