"""Places beside the daemon's runs: who waits for whom, and that nobody is forgotten."""

import asyncio

import pytest

from mirrord.service.turns import Turns


async def test_who_gives_up_waiting_to_be_alone_holds_nobody_back() -> None:
    """What was held back is told at once, and need not wait until the clock is looked at again."""
    told: list[bool] = []
    turns = Turns(lambda: True, lambda: told.append(True))

    async def alone() -> None:
        async with turns.taken(alone=True):
            raise AssertionError("a run is under way")

    waiting = asyncio.create_task(alone())
    await asyncio.sleep(0)
    assert (turns.holds_back, told) == (True, [])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (turns.holds_back, told) == (False, [True])


async def test_who_is_alone_lets_nobody_in() -> None:
    """Whoever comes waits until it is over, then all of them go on."""
    order: list[str] = []

    def over() -> None:
        turns.look_again()

    turns = Turns(lambda: False, over)

    async def other(name: str) -> None:
        async with turns.taken(alone=False):
            order.append(name)

    async with turns.taken(alone=True):
        others = [asyncio.create_task(other(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*others)
    assert order == ["first", "second"]
