"""When a group's next run begins, and of what: decided from what its last runs came to. Pure.

Nothing here looks at a clock: whoever asks says what time it is, and may ask as often as it likes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from mirrord.config.groups import Group
from mirrord.errors import DeferredError
from mirrord.service.schedule import Schedule
from mirrord.sync.outcome import Report

FIRST_RETRY = 60.0
"""Seconds after which a group that failed is tried again the first time; doubled each time."""
LAST_RETRY = 3600.0
"""Seconds between tries at most."""


class Past(Struct, frozen=True):
    """What a group's last runs came to."""

    begun: datetime | None = None
    """When its last whole run began."""
    ended: datetime | None = None
    succeeded: datetime | None = None
    """When a run of it last ended with every image of it right."""
    failures: int = 0
    """Runs and tries in a row that left an image failed."""
    again: datetime | None = None
    """When what failed or was deferred is tried again, before the schedule comes."""
    left: tuple[str, ...] = ()
    """The repositories that are tried then."""

    def document(self) -> dict[str, object]:
        """As it is kept between starts."""
        return {
            "begun": _text(self.begun),
            "ended": _text(self.ended),
            "succeeded": _text(self.succeeded),
            "failures": self.failures,
            "again": _text(self.again),
            "left": list(self.left),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The same back. Raises KeyError, TypeError, ValueError."""
        return cls(
            _time(document["begun"]),
            _time(document["ended"]),
            _time(document["succeeded"]),
            int(document["failures"]),
            _time(document["again"]),
            tuple(map(str, document["left"])),
        )


class Due(Struct, frozen=True):
    """A run that is to begin, or will be."""

    at: datetime
    only: tuple[str, ...] | None
    """Repositories that are tried again; None is the whole group."""


def schedule_of(group: Group, timezone: str) -> Schedule:
    """When a group's whole runs come."""
    return Schedule(group.schedule, timezone, group.jitter, group.name)


def next_run(group: Group, timezone: str, past: Past, now: datetime) -> Due:
    """The next run of a group: at once where none was made yet, or one was missed."""
    if past.begun is None:
        return Due(now, None)
    whole = schedule_of(group, timezone).after(past.begun)
    if past.again is None:
        return Due(whole, None)
    return Due(past.again, past.left or None) if past.again < whole else Due(whole, None)


def settled(past: Past, now: datetime) -> Past:
    """The same after a clock was set back: what began in the future counts as begun now, so that nothing is put off."""
    if past.begun is None or past.begun <= now:
        return past
    again = past.again and min(past.again, now + timedelta(seconds=LAST_RETRY))
    return replace(past, begun=now, again=again)


def after_run(past: Past, due: Due, report: Report, begun: datetime, ended: datetime, group: Group) -> Past:
    """What is known of a group after a run of it: what failed is tried again sooner and sooner less often.

    Images that were deferred come again when their upstream said; a group that is published together comes whole.
    """
    open_ = [outcome for outcome in report.outcomes if outcome.error is not None]
    has_failed = report.has_failed
    failures = past.failures + 1 if has_failed else 0
    waits = [backoff(failures)] if has_failed else []
    waits += [outcome.error.seconds for outcome in open_ if isinstance(outcome.error, DeferredError)]
    is_whole = group.together or report.problem is not None
    return replace(
        past,
        begun=begun if due.only is None else past.begun,
        ended=ended,
        succeeded=past.succeeded if open_ or has_failed else ended,
        failures=failures,
        again=ended + timedelta(seconds=min(waits)) if waits else None,
        left=() if is_whole else tuple(sorted({outcome.repository for outcome in open_})),
    )


def after_failure(past: Past, due: Due, begun: datetime, ended: datetime, *, is_failure: bool = True) -> Past:
    """What is known of a group after a run of it that came to no report: it failed, or was cancelled."""
    begun_whole = begun if due.only is None else past.begun
    if not is_failure:
        return replace(past, begun=begun_whole, ended=ended)
    failures = past.failures + 1
    again = ended + timedelta(seconds=backoff(failures))
    return replace(past, begun=begun_whole, ended=ended, failures=failures, again=again, left=())


def backoff(failures: int) -> float:
    """Seconds until a group that failed ``failures`` times in a row (from 1) is tried again."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 16))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    return datetime.fromisoformat(str(text)).astimezone(UTC)
