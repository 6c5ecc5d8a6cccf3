"""Schedules: when each kind of line comes, in time zones, over summer time, and with jitter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.config.schedule import NAMED, parse_schedule, read_cron
from mirrord.service.schedule import Schedule

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


def times(text: str, begun: datetime, count: int, timezone: str = "UTC") -> list[str]:
    """The next ``count`` times of a schedule, as local times."""
    schedule, found = Schedule(parse_schedule(text), timezone), []
    for _ in range(count):
        begun = schedule.after(begun)
        found.append(begun.astimezone(schedule.zone).strftime("%a %d %b %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * * 0", ["Sun 08 Mar 03:00", "Sun 15 Mar 03:00"]),
        ("0 3 * * 7", ["Sun 08 Mar 03:00", "Sun 15 Mar 03:00"]),
        ("0 3 * * sun", ["Sun 08 Mar 03:00", "Sun 15 Mar 03:00"]),
        ("0 3 * * 1", ["Mon 09 Mar 03:00", "Mon 16 Mar 03:00"]),
        ("0 3 * * 5-7", ["Fri 06 Mar 03:00", "Sat 07 Mar 03:00", "Sun 08 Mar 03:00", "Fri 13 Mar 03:00"]),
        ("0 3 * * sat-sun", ["Sat 07 Mar 03:00", "Sun 08 Mar 03:00", "Sat 14 Mar 03:00"]),
        ("23 */6 * * *", ["Wed 04 Mar 12:23", "Wed 04 Mar 18:23", "Thu 05 Mar 00:23"]),
        ("0 0 13 * fri", ["Fri 06 Mar 00:00", "Fri 13 Mar 00:00", "Fri 20 Mar 00:00"]),
        ("0 0 15 * mon", ["Mon 09 Mar 00:00", "Sun 15 Mar 00:00", "Mon 16 Mar 00:00"]),
        ("0 0 */2 * mon", ["Mon 09 Mar 00:00", "Mon 23 Mar 00:00"]),
        ("5,10-12 8 * apr *", ["Wed 01 Apr 08:05", "Wed 01 Apr 08:10", "Wed 01 Apr 08:11", "Wed 01 Apr 08:12"]),
        ("0 0 29 2 *", ["Tue 29 Feb 00:00"]),
        ("@hourly", ["Wed 04 Mar 13:00", "Wed 04 Mar 14:00"]),
        ("@daily", ["Thu 05 Mar 00:00", "Fri 06 Mar 00:00"]),
        ("@weekly", ["Sun 08 Mar 00:00", "Sun 15 Mar 00:00"]),
        ("@monthly", ["Wed 01 Apr 00:00", "Fri 01 May 00:00"]),
        ("every 90m", ["Wed 04 Mar 13:30", "Wed 04 Mar 15:00"]),
    ],
)
def test_when_a_schedule_comes(text: str, expected: list[str]) -> None:
    """As cron has it: Sunday is 0 and 7, and a day restricted by number and weekday fits by either."""
    assert times(text, NOON, len(expected)) == expected


def test_over_the_change_to_summer_time() -> None:
    """A time in the hour that is left out comes once all the same, and the next day's at its own time."""
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    found = times("30 2 * * *", before, 2, "Europe/Berlin")
    assert len({time.partition(" ")[0] for time in found}) == 2
    assert found[-1].endswith("02:30")


def test_over_the_change_to_winter_time() -> None:
    """What lies in the hour that comes twice comes in each of the two, and the next day at its own time."""
    before = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
    assert times("30 2 * * *", before, 3, "Europe/Berlin") == ["Sun 25 Oct 02:30"] * 2 + ["Mon 26 Oct 02:30"]
    schedule = Schedule("0 * * * *", "Europe/Berlin")
    moment, found = before, []
    for _ in range(4):
        moment = schedule.after(moment)
        found.append(moment)
    assert [one - two for one, two in zip(found[1:], found, strict=False)] == [timedelta(hours=1)] * 3


@given(
    st.sampled_from([*NAMED, "*/7 3-5 * * 1-5", "0 0 1 * sun", "17 4 * * *"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_it_always_comes_later_and_where_cron_says(text: str, moment: datetime, timezone: str) -> None:
    """Later than asked from, and (jitter aside) at a minute that fits every field."""
    schedule, begun = Schedule(text, timezone), moment.replace(tzinfo=UTC)
    found = schedule.after(begun)
    assert found > begun
    local, cron = found.astimezone(schedule.zone), read_cron(text)
    assert local.second == 0
    assert local.month in cron.months
    fits = (local.day in cron.days, local.isoweekday() % 7 in cron.weekdays)
    assert any(fits) if cron.either_day else all(fits)


def test_jitter_is_bounded_and_the_same_whenever_it_is_asked() -> None:
    """Groups of one schedule are spread; looking twice, or after a restart, changes nothing."""
    plain = Schedule("@hourly")
    shifts = set()
    for name in map(str, range(50)):
        jittery = Schedule("@hourly", jitter=300, name=name)
        shift = (jittery.after(NOON) - plain.after(NOON)).total_seconds()
        assert 0 <= shift <= 300
        assert jittery.after(NOON) == Schedule("@hourly", jitter=300, name=name).after(NOON)
        shifts.add(shift)
    assert len(shifts) == 50
