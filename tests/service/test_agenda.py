"""When groups run: schedules, catching up, retries that never hammer, and clocks that jump."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mirrord.config.groups import Group
from mirrord.errors import DeferredError, HostError, UpstreamError
from mirrord.service.agenda import (
    FIRST_RETRY,
    LAST_RETRY,
    Due,
    Past,
    after_failure,
    after_run,
    backoff,
    next_run,
    settled,
)
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.outcomes import Outcomes

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOURLY = Group("g", "@hourly", 0.0, 86_400.0, together=False)
MINUTE = timedelta(minutes=1)
GOOD = Outcome("a:1", Status.UNCHANGED)
BAD = Outcome("b/x:1", Status.FAILED, error=UpstreamError("no"))
LATER = Outcome("c:1", Status.DEFERRED, error=DeferredError("wait", seconds=1200.0))


def report(*outcomes: Outcome, problem: HostError | None = None) -> Report:
    """A run that came to these outcomes."""
    return Report("r", Outcomes.of(outcomes), (), 1.0, 0, Progress(), problem=problem)


def ended(past: Past, due: Due, came: Report, group: Group = HOURLY) -> Past:
    """What is known a minute after ``due``."""
    return after_run(past, due, came, due.at, due.at + MINUTE, group)


def test_a_group_that_never_ran_runs_at_once() -> None:
    """A fresh mirror fills without waiting for its schedule."""
    assert next_run(HOURLY, "UTC", Past(), NOON) == Due(NOON, None)


def test_after_a_good_run_the_schedule_comes() -> None:
    """Nothing is left open, so nothing comes before."""
    past = ended(Past(), Due(NOON, None), report(GOOD))
    assert past.succeeded == NOON + MINUTE
    assert next_run(HOURLY, "UTC", past, NOON + MINUTE) == Due(NOON + timedelta(hours=1), None)


def test_what_was_missed_is_caught_up_on_once() -> None:
    """A host that was off for a week runs each group once, not 168 times."""
    past = ended(Past(), Due(NOON, None), report(GOOD))
    back = NOON + timedelta(days=7, minutes=30)
    due = next_run(HOURLY, "UTC", past, back)
    assert due.at <= back
    past = after_run(past, due, report(GOOD), back, back + MINUTE, HOURLY)
    assert next_run(HOURLY, "UTC", past, back + MINUTE).at == NOON + timedelta(days=7, hours=1)


def test_a_failed_image_is_tried_again_before_the_schedule_comes() -> None:
    """Only its repository, a minute later, then less and less often; a success ends it."""
    daily = replace(HOURLY, schedule="@daily")
    past, due, gaps = Past(), Due(NOON, None), []
    for _ in range(10):
        past = ended(past, due, report(GOOD, BAD), daily)
        following = next_run(daily, "UTC", past, past.ended or NOON)
        assert following.only == ("b/x",)
        gaps.append((following.at - (past.ended or NOON)).total_seconds())
        due = following
    assert gaps[0] == FIRST_RETRY
    assert gaps == sorted(gaps)
    assert gaps[-1] == LAST_RETRY
    past = ended(past, due, report(GOOD), daily)
    assert (past.failures, past.again, past.begun) == (0, None, NOON)
    assert next_run(daily, "UTC", past, due.at + MINUTE) == Due(NOON + timedelta(hours=12), None)


def test_retries_are_never_later_than_the_schedule() -> None:
    """A group every ten minutes is not slowed down by its failures."""
    often = replace(HOURLY, schedule="every 10m")
    past, due = Past(), Due(NOON, None)
    for _ in range(20):
        past = ended(past, due, report(BAD), often)
        following = next_run(often, "UTC", past, past.ended or NOON)
        assert following.at - due.at <= timedelta(minutes=10)
        due = following


def test_a_deferred_image_resumes_when_its_upstream_said() -> None:
    """It is no failure: no back-off, the upstream's own time."""
    past = ended(Past(), Due(NOON, None), report(GOOD, LATER))
    assert past.failures == 0
    assert next_run(HOURLY, "UTC", past, NOON + MINUTE) == Due(NOON + MINUTE + timedelta(seconds=1200), ("c",))


@pytest.mark.parametrize(
    ("group", "came"),
    [(replace(HOURLY, together=True), report(GOOD, BAD)), (HOURLY, report(GOOD, problem=HostError("disk full")))],
)
def test_what_is_published_together_is_tried_together(group: Group, came: Report) -> None:
    """A group that is published whole, or whose publication failed, is tried whole."""
    past = ended(Past(), Due(NOON, None), came, group)
    assert next_run(group, "UTC", past, NOON + MINUTE) == Due(NOON + MINUTE + timedelta(seconds=FIRST_RETRY), None)


def test_a_run_that_came_to_nothing_counts_as_failed_and_a_cancelled_one_does_not() -> None:
    """The first is tried again soon; the second when the schedule comes."""
    failed = after_failure(Past(), Due(NOON, None), NOON, NOON + MINUTE)
    assert next_run(HOURLY, "UTC", failed, NOON + MINUTE).at == NOON + MINUTE + timedelta(seconds=FIRST_RETRY)
    cancelled = after_failure(Past(), Due(NOON, None), NOON, NOON + MINUTE, is_failure=False)
    assert next_run(HOURLY, "UTC", cancelled, NOON + MINUTE).at == NOON + timedelta(hours=1)


def test_a_clock_that_was_set_back_puts_nothing_off() -> None:
    """What began in the future counts as begun now."""
    back = NOON - timedelta(days=30)
    past = settled(ended(Past(), Due(NOON, None), report(GOOD, LATER)), back)
    assert settled(past, back + MINUTE) == past
    assert next_run(HOURLY, "UTC", past, back) == Due(back + timedelta(hours=1), None)


def test_the_past_is_read_back_as_it_was_written() -> None:
    """Restarts forget nothing."""
    past = ended(Past(), Due(NOON, None), report(GOOD, BAD))
    assert Past.read(past.document()) == past


def test_the_back_off_is_bounded() -> None:
    """However long an upstream is away, it is asked once an hour."""
    assert backoff(10_000) == LAST_RETRY
