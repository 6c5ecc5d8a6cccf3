"""Which snapshots stay: by count, by calendar, by what a person decided, and by the grace of pulls under way."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.store.retention import FLOOR, Retention, Why, kept
from mirrord.store.snapshot import Reason, Snapshot, snapshot_name

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
"""A Wednesday."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NONE = Retention(keep_last=1, keep_daily=0, keep_weekly=0, grace=0)


def snapshots(*published: datetime) -> list[Snapshot]:
    """Snapshots in the order of their numbers, published at these times."""
    return [
        Snapshot(snapshot_name(number, at), number, at, None, Reason("", ""), {}, 0)
        for number, at in enumerate(published, 1)
    ]


def stay(found: list[Snapshot], retention: Retention, *protected: int, served: int = -1) -> set[int]:
    """The numbers of those that stay; ``protected`` are pinned, the last is served."""
    pins = {found[number - 1].name: Why.PINNED for number in protected}
    names = kept(found, found[served].name, pins, retention, NOW)
    return {each.sequence for each in found if each.name in names}


def test_the_last_ones_stay_however_old() -> None:
    """keep_last: the newest so many, by their numbers."""
    found = snapshots(*[LONG_AGO] * 6)
    assert stay(found, Retention(3, 0, 0, 60)) == {4, 5, 6}
    assert stay(found, Retention(99, 0, 0, 60)) == {1, 2, 3, 4, 5, 6}


def test_keeping_none_of_the_last_keeps_the_served_one() -> None:
    """keep_last 0 is not "all": only what is served stays."""
    assert stay(snapshots(*[LONG_AGO] * 6), Retention(0, 0, 0, 60)) == {6}


def test_the_last_of_each_day_stays() -> None:
    """keep_daily: the last snapshot of each of so many days that have one; days without one don't count."""
    day = timedelta(days=1)
    found = snapshots(
        LONG_AGO,
        LONG_AGO + timedelta(hours=1),
        LONG_AGO + day,
        LONG_AGO + 9 * day,
        LONG_AGO + 9 * day + timedelta(hours=2),
        LONG_AGO + 30 * day,
    )
    assert stay(found, Retention(1, 3, 0, 60)) == {3, 5, 6}
    assert stay(found, Retention(1, 4, 0, 60)) == {2, 3, 5, 6}


def test_the_last_of_each_week_stays() -> None:
    """keep_weekly: weeks begin on Monday, also where the year ends within one."""
    sunday = datetime(2024, 12, 29, 23, tzinfo=UTC)
    found = snapshots(sunday, sunday + timedelta(hours=2), sunday + timedelta(days=4), sunday + timedelta(days=8))
    assert stay(found, Retention(1, 0, 3, 60)) == {1, 3, 4}


def test_a_snapshot_stays_until_its_successor_is_older_than_the_grace() -> None:
    """STORAGE hole 3: grace counts from when another took its place, not from when it was published itself."""
    found = snapshots(LONG_AGO, NOW - timedelta(minutes=30), NOW - timedelta(minutes=5))
    assert stay(found, Retention(1, 0, 0, 3600)) == {1, 2, 3}
    assert stay(found, Retention(1, 0, 0, 1200)) == {2, 3}
    assert stay(found, Retention(1, 0, 0, 200)) == {3}


@pytest.mark.parametrize("grace", [0.0, -5.0, 59.0])
def test_no_grace_is_below_the_floor(grace: float) -> None:
    """STORAGE hole 15: nginx keeps files open for a minute, so that long content outlives its snapshot."""
    retention = Retention(1, 0, 0, grace)
    assert retention.patience == FLOOR == 60.0
    assert stay(snapshots(LONG_AGO, NOW - timedelta(seconds=60)), retention) == {1, 2}
    assert stay(snapshots(LONG_AGO, NOW - timedelta(seconds=61)), retention) == {2}


def test_times_in_the_future_keep() -> None:
    """STORAGE hole 14: a clock that was set back makes nothing look old."""
    found = snapshots(LONG_AGO, NOW + timedelta(days=400), NOW - timedelta(days=9))
    assert stay(found, NONE) == {1, 3}


def test_numbers_order_snapshots_and_clocks_do_not() -> None:
    """STORAGE hole 14: with a clock that ran backwards all the time the last published still are the last."""
    found = snapshots(*(LONG_AGO - timedelta(days=each) for each in range(6)))
    assert stay(found, Retention(2, 0, 0, 60)) == {5, 6}


def test_pinned_and_held_ones_stay() -> None:
    """What a person keeps stays; a pin on what is gone already keeps nothing else."""
    found = snapshots(*[LONG_AGO] * 6)
    assert stay(found, NONE, 2, 4) == {2, 4, 6}
    assert set(kept(found, found[-1].name, {"00000099-20200101T000000Z": Why.HELD}, NONE, NOW)) == {found[-1].name}


def test_the_served_one_stays_wherever_it_stands() -> None:
    """Even one that is not the last, as after a hand-made change of `current`."""
    assert stay(snapshots(*[LONG_AGO] * 6), NONE, served=1) == {2, 6}


HOURS = st.integers(min_value=-20_000, max_value=20_000)


@given(
    published=st.lists(HOURS, min_size=1, max_size=30),
    counts=st.tuples(*[st.integers(min_value=0, max_value=12)] * 3),
    grace=st.integers(min_value=0, max_value=10**7),
    served=st.integers(min_value=0),
    pinned=st.sets(st.integers(min_value=0, max_value=29)),
)
def test_whatever_the_clock_did(
    published: list[int], counts: tuple[int, int, int], grace: int, served: int, pinned: set[int]
) -> None:
    """For any times and rules: served, pinned, last and in-grace ones stay; what goes was replaced long ago."""
    found = snapshots(*(NOW + timedelta(hours=each) for each in published))
    retention = Retention(*counts, grace)
    pins = {found[each].name: Why.PINNED for each in pinned if each < len(found)}
    at = served % len(found)
    names = set(kept(found, found[at].name, pins, retention, NOW))
    assert names <= {each.name for each in found}
    assert {found[at].name, *pins} <= names
    assert {each.name for each in found[len(found) - min(counts[0], len(found)) :]} <= names
    for each, successor in itertools.pairwise(found):
        if each.name not in names:
            assert (NOW - successor.published).total_seconds() > max(grace, 60)
    days = {each.published.date() for each in found}
    assert len({each.published.date() for each in found if each.name in names}) >= min(counts[1], len(days))
    assert found[-1].name in names


@given(
    published=st.lists(HOURS, min_size=1, max_size=20),
    counts=st.tuples(*[st.integers(min_value=0, max_value=6)] * 3),
    grace=st.integers(min_value=0, max_value=10**7),
)
def test_collecting_again_at_once_takes_nothing_more(
    published: list[int], counts: tuple[int, int, int], grace: int
) -> None:
    """With a clock that only goes forwards, the rules applied to what they left take nothing."""
    found = snapshots(*(NOW + timedelta(hours=each) for each in sorted(published)))
    names = set(kept(found, found[-1].name, {}, Retention(*counts, grace), NOW))
    left = [each for each in found if each.name in names]
    assert set(kept(left, found[-1].name, {}, Retention(*counts, grace), NOW)) == names
