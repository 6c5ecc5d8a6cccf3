"""How much one host is asked: places that grow and shrink, an even rate, and waits that are the host's."""

import asyncio
from collections.abc import Callable

import pytest
from support.clock import now, run_virtually

from mirrord.errors import DeferredError
from mirrord.registry.gate import REGROW, START, Gate, Places


def make(most: int = 16, *, per_second: float | None = None, everybody: int = 100) -> Gate:
    """The gate of a host."""
    return Gate("r.test", Places(most), asyncio.Semaphore(everybody), 600.0, per_second=per_second)


async def ask(gate: Gate, seconds: float, seen: Callable[[], None]) -> None:
    """One request that is answered after some seconds."""
    await gate.enter()
    seen()
    await asyncio.sleep(seconds)
    gate.places.answered(now())
    gate.leave()


def test_a_fast_host_is_asked_in_full_at_once() -> None:
    """Each answer allows one request more: the config's bound is reached after as many answers, never exceeded."""

    async def work() -> list[int]:
        gate, under_way, seen = make(12), [0], list[int]()

        async def one() -> None:
            await gate.enter()
            under_way[0] += 1
            seen.append(under_way[0])
            await asyncio.sleep(0.05)
            under_way[0] -= 1
            gate.places.answered(now())
            gate.leave()

        async with asyncio.TaskGroup() as group:
            for _ in range(60):
                group.create_task(one())
        return seen

    seen = run_virtually(work())
    assert max(seen[:START]) == START
    assert max(seen) == 12
    assert 12 in seen[: START + 8 + 12], "the bound takes more answers than it has places"


def test_a_429_halves_and_time_heals() -> None:
    """Several 429 at once halve once; without more of them one place is added each REGROW seconds, up to the bound."""
    places = Places(8)
    for _ in range(8):
        places.answered(0.0)
    assert places.limit == 8
    places.throttled(100.0)
    places.throttled(100.5)
    assert places.limit == 4
    places.answered(100.6)
    assert places.limit == 4, "grown before its time"
    for turn in range(1, 10):
        places.answered(100.5 + turn * REGROW)
        places.answered(100.6 + turn * REGROW)
    assert places.limit == 8
    for burst in range(5):
        places.throttled(300.0 + 2 * burst)
    assert places.limit == 1, "one request at a time is always allowed"


def test_a_rate_is_kept_evenly() -> None:
    """``requests_per_second`` without a burst: not at the beginning, and not after a pause."""

    async def work() -> list[float]:
        gate, times = make(per_second=4), list[float]()
        for pause in (0.0, 50.0):
            await asyncio.sleep(pause)
            async with asyncio.TaskGroup() as group:
                for _ in range(9):
                    group.create_task(ask(gate, 0.0, lambda: times.append(now())))
        return times

    times = run_virtually(work())
    for first in (0, 9):
        gaps = [later - earlier for earlier, later in zip(times[first:], times[first + 1 : first + 9], strict=False)]
        assert all(gap > 0.1 for gap in gaps), gaps  # a burst would have next to none


def test_a_cancelled_request_leaves_no_place_taken() -> None:
    """Whether it waits or was just let in: the next ones still get in."""

    async def work() -> None:
        gate = make(1)
        for _ in range(20):
            await gate.enter()
            waiting = [asyncio.create_task(gate.enter()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[1].cancel()
            gate.leave()
            waiting[0].cancel()  # it may have been let in by now
            await asyncio.wait(waiting, timeout=1)
            assert waiting[2].done()
            if not waiting[0].cancelled():
                gate.leave()
            gate.leave()
        await asyncio.wait_for(gate.enter(), 5)

    run_virtually(work())


def test_a_wait_is_the_hosts_and_not_longer_than_a_run() -> None:
    """Nobody passes until it is over; one that is too long defers who comes."""

    async def work() -> float:
        gate = make()
        gate.hold(300.0, "r.test answered 429")
        begun = now()
        await gate.enter()
        gate.leave()
        waited = now() - begun
        gate.hold(601.0, "r.test answered 429")
        with pytest.raises(DeferredError, match=r"429; r\.test is to be asked again in 601 s.*limits\.max_wait"):
            await gate.enter()
        return waited

    assert run_virtually(work()) > 299.0


def test_everybody_together_is_bounded() -> None:
    """Two hosts share the places of ``limits.concurrency``; who waits for its own host holds none of them."""

    async def work() -> int:
        everybody = asyncio.Semaphore(3)
        slow, fast = (Gate(name, Places(8), everybody, 600.0) for name in ("slow", "fast"))
        slow.hold(1000.0 - 500.0, "busy")
        done: list[int] = []
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(ask(slow, 0.0, lambda: None)) for _ in range(8)]
            for number in range(20):
                group.create_task(ask(fast, 1.0, lambda n=number: done.append(n)))  # type: ignore[misc] # its default
            await asyncio.sleep(30.0)
            assert len(done) == 20
            assert not any(task.done() for task in waiting)
        return len(done)

    assert run_virtually(work()) == 20
