"""How fast bytes may come, and how slow they may not: a shared pace for transfers, and a floor for each of them."""

import asyncio

FLOOR_WINDOW = 60.0
"""Seconds of waiting after which a transfer's speed is judged, and begins anew."""


class Pace:
    """So many bytes a second, all who share it together.

    Who has received bytes waits until they are paid for before it reads more, and its sender waits too. Each pays in
    turn, so that transfers that share a pace get as much of it each. After a pause nothing is saved up.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._paid_until = 0.0

    def price(self, size: int) -> float:
        """Seconds that who received ``size`` bytes now has to wait."""
        now = asyncio.get_running_loop().time()
        self._paid_until = max(self._paid_until, now) + size / self._rate
        return self._paid_until - now


class Speed:
    """What one transfer is held to: the paces it shares, and the floor below which it is no use."""

    __slots__ = ("_began", "_floor", "_paces", "_received", "_waited")

    def __init__(self, paces: tuple[Pace, ...], floor: int) -> None:
        self._paces = paces
        self._floor = floor * FLOOR_WINDOW
        self._waited = 0.0
        self._received = 0
        self._began = asyncio.get_running_loop().time()

    @property
    def is_paced(self) -> bool:
        """Whether it shares a pace with others."""
        return bool(self._paces)

    async def took(self, size: int, waited: float | None = None) -> bool:
        """Account for a piece that came; waits where the pace wants it. False where the sender is too slow.

        Only the time spent on waiting for the network counts, neither a pace of one's own nor a slow disk: the
        seconds ``waited``, else the time since `again`.
        """
        self._received += size
        self._waited += asyncio.get_running_loop().time() - self._began if waited is None else waited
        if self._waited >= FLOOR_WINDOW:
            if self._received < self._floor:
                return False
            self._waited, self._received = 0.0, 0
        if self._paces:
            await asyncio.sleep(max(pace.price(size) for pace in self._paces))
        return True

    def again(self) -> None:
        """Wait for the next piece from now on."""
        self._began = asyncio.get_running_loop().time()
