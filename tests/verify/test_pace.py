"""The rate at which verify reads: kept by a clock that is a value, not by the time a test takes."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.store.reader import Reader
from mirrord.store.verify import verify
from mirrord.store.verify_pace import Pace, Pacer
from mirrord.store.verify_pool import Progress


@dataclass(slots=True)
class Watch:
    """A clock that only sleeping moves."""

    time: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        """The time it shows."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Move it."""
        self.slept.append(seconds)
        self.time += seconds


@given(
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(0, 8 << 20), st.floats(0, 10), st.floats(0, 3600)), min_size=1, max_size=50),
)
def test_no_stretch_of_time_reads_more_than_the_rate(rate: int, reads: Sequence[tuple[int, float, float]]) -> None:
    """From any read to any later one: no more than the rate allows, whatever each took, however long none was made."""
    pace, now = Pace(rate), 0.0
    spans: list[tuple[float, int]] = []
    for count, took, idle in reads:
        began = now
        now += took
        pace = pace.after(began, count)
        now += pace.pause(now)
        spans = [(start, total + count) for start, total in (*spans, (began, 0))]
        assert all(total <= rate * (now - start) * (1 + 1e-6) + 1e-3 for start, total in spans)
        now += idle


def test_a_disk_slower_than_the_rate_is_not_waited_for() -> None:
    """A pause is what is missing to the rate: none after a slow read, the whole after one that took no time."""
    assert Pace(100).after(0.0, 100).pause(2.0) == 0.0
    assert Pace(100).after(0.0, 100).pause(0.25) == 0.75
    assert Pace(None).after(0.0, 100).pause(0.0) == 0.0


@pytest.mark.parametrize("rate", [10_000, 1_000_000])
async def test_a_verification_keeps_its_rate(copy: tuple[Mirror, Scripted], rate: int) -> None:
    """All that is read is waited for: on a clock that only sleeping moves, it takes bytes / rate."""
    watch = Watch()
    with ThreadPoolExecutor(1) as threads:
        found = await verify(Reader(copy[0].layout, threads), Pacer(rate, watch), Progress())
    assert found.bytes > 1_000_000
    assert sum(watch.slept) == pytest.approx(found.bytes / rate)
    assert found.seconds == pytest.approx(found.bytes / rate)


async def test_an_unbounded_verification_never_sleeps(copy: tuple[Mirror, Scripted]) -> None:
    """Rate none: as fast as the disk, each byte of the pool read once and no other."""
    watch, progress = Watch(), Progress()
    with ThreadPoolExecutor(1) as threads:
        found = await verify(Reader(copy[0].layout, threads), Pacer(None, watch), progress)
    assert watch.slept == []
    pool = [path for path in (copy[0].root / "pool").rglob("*") if path.is_file()]
    assert found.bytes == sum(path.stat().st_size for path in pool)
    assert (progress.bytes_total, progress.bytes_done, progress.files_done) == (found.bytes, found.bytes, len(pool))


async def test_what_was_counted_is_not_counted_again(copy: tuple[Mirror, Scripted]) -> None:
    """How much there is to hash is known of the pool's rooms whose names are as when they were counted."""
    layout, note = copy[0].layout, copy[0].layout.state / "usage.json"
    pool = [path for path in (layout.root / "pool").rglob("*") if path.is_file()]
    rooms = sorted({path.parent for path in pool})
    counted = {f"{room.parent.name}/{room.name}": [room.stat().st_mtime_ns, 1, 1] for room in rooms[1:]}
    note.write_text(json.dumps(counted))
    progress = Progress()
    with ThreadPoolExecutor(1) as threads:
        found = await verify(Reader(layout, threads), Pacer(None, Watch()), progress)
    alone = sum(path.stat().st_size for path in pool if path.parent == rooms[0])
    assert progress.bytes_total == alone + len(rooms) - 1
    assert (found.files, found.bytes) == (len(pool), sum(path.stat().st_size for path in pool))
