"""When a schedule comes: cron lines by APScheduler's triggers, intervals by counting. Pure: no clock is looked at."""

import hashlib
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from msgspec import Struct

from mirrord.config.schedule import read_cron, read_interval

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_HASH_BYTES = 8


class Schedule(Struct, frozen=True, dict=True):
    """One schedule in a time zone, each time up to ``jitter`` seconds later: by as much for one ``name`` and time."""

    text: str
    """As the config's model holds it."""
    timezone: str = "UTC"
    jitter: float = 0.0
    name: str = ""

    def after(self, begun: datetime) -> datetime:
        """When it comes next for what was last begun at ``begun`` (in UTC, aware): later than that, also in the past.

        Where the clocks are put forward over a cron time it comes right after the gap; put back, it comes twice.
        """
        return _after(self, begun)

    def cron_after(self, moment: datetime) -> datetime:
        """When a cron line comes next, without jitter."""
        found = self._trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
        assert isinstance(found, datetime), f"{self.text} never comes: the config's model refuses such a schedule"  # noqa: S101 - its own promise
        return found.astimezone(UTC)

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone of a cron line."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)

    @cached_property
    def _trigger(self) -> CronTrigger | OrTrigger:
        cron = read_cron(self.text)
        days = ",".join(map(str, sorted(cron.days)))
        weekdays = ",".join(_WEEKDAYS[day] for day in sorted(cron.weekdays))  # by name: APScheduler's 0 is Monday
        common = {
            "minute": ",".join(map(str, sorted(cron.minutes))),
            "hour": ",".join(map(str, sorted(cron.hours))),
            "month": ",".join(map(str, sorted(cron.months))),
            "second": 0,
            "timezone": self.zone,
        }
        if cron.either_day:
            return OrTrigger([CronTrigger(day=days, **common), CronTrigger(day_of_week=weekdays, **common)])
        return CronTrigger(day=days, day_of_week=weekdays, **common)

    def jitter_at(self, came: datetime) -> timedelta:
        """The same for the same time, so that looking twice gives one answer, also after a restart."""
        digest = hashlib.sha256(f"{self.name} {came.astimezone(UTC).isoformat()}".encode()).digest()
        share = int.from_bytes(digest[:_HASH_BYTES]) / 256**_HASH_BYTES
        return timedelta(seconds=share * self.jitter)


@lru_cache(4096)
def _after(schedule: Schedule, begun: datetime) -> datetime:
    """Remembered, for whoever looks each minute whether the time has come."""
    seconds = read_interval(schedule.text)
    came = schedule.cron_after(begun) if seconds is None else begun + timedelta(seconds=seconds)
    return came + schedule.jitter_at(came)
