"""What comes next for each group, as the daemon asks for it each minute."""

from datetime import UTC, datetime, timedelta

from mirrord.config.groups import Group
from mirrord.service.agenda import Due, Past
from mirrord.service.dues import Dues

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOURLY = Group("g", "@hourly", 0.0, 86_400.0, together=False)
HOUR = timedelta(hours=1)


def test_a_group_that_never_ran_is_due_whenever_that_is_asked() -> None:
    """Also by a clock that was set back since: nothing is remembered of it."""
    dues = Dues("UTC")
    for now in (NOON, NOON + HOUR, NOON - HOUR):
        assert dues.of(HOURLY, None, now) == Due(now, None)
        assert dues.of(HOURLY, Past(), now) == Due(now, None)


def test_what_comes_next_is_another_once_the_past_is() -> None:
    """A run or a retry makes another past, and only that is looked at."""
    dues, past = Dues("UTC"), Past(begun=NOON)
    for now in (NOON, NOON + 5 * HOUR):
        assert dues.of(HOURLY, past, now) == Due(NOON + HOUR, None)
    again = Past(begun=NOON, again=NOON + timedelta(minutes=2), left=("a",))
    assert dues.of(HOURLY, again, NOON) == Due(NOON + timedelta(minutes=2), ("a",))
    assert dues.of(HOURLY, Past(begun=NOON + HOUR), NOON) == Due(NOON + 2 * HOUR, None)
