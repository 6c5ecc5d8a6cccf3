"""What the daemon does when nothing else is to do: collections after publications and daily, and the scrub."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, field

from mirrord.events import get_logger
from mirrord.service.agenda import Past
from mirrord.service.clock import Clock
from mirrord.service.schedule import Schedule
from mirrord.service.setting import Setting, retention_of
from mirrord.store.store import Store
from mirrord.store.tell import tell_published
from mirrord.store.verify_pace import Pacer, SystemClock
from mirrord.store.verify_pool import Progress as Verifying
from mirrord.sync.repair import verify_and_repair

GC: Final = "@gc"
VERIFY: Final = "@verify"
"""Names that no group can have."""
_APART, _OF_GRACE = timedelta(hours=1), 4
"""At least so long, and this part of the grace, between collections, however often something is published: what one of
them finds has to wait for its grace anyway."""
_UNPACED = 1 << 40
"""Bytes a second: as good as no bound, and the pacer looks at its clock all the same."""
_GLANCE = 0.2

_log = get_logger()


class Upkeep(Struct):
    """Decides which job is due, and carries it out; never two at once."""

    store: Store
    clock: Clock
    is_busy: Callable[[], bool]
    """Whether a run is under way."""
    _has_published: bool = False
    _at_work: set[str] = field(default_factory=set)

    @property
    def is_at_work(self) -> bool:
        """Whether a job is under way."""
        return bool(self._at_work)

    def published(self) -> None:
        """Take note that there may be something to collect."""
        self._has_published = True

    def next_job(self, setting: Setting, pasts: Mapping[str, Past], now: datetime) -> str | None:
        """The job that is to begin now, and is begun with that; None where none is due, or a run is under way."""
        if self._at_work or self.is_busy():
            return None
        if self._is_gc_due(setting, pasts.get(GC, Past()), now):
            job = GC
        elif _is_due(setting.config.verify.schedule, setting, VERIFY, pasts.get(VERIFY, Past()), now):
            job = VERIFY
        else:
            return None
        self._at_work.add(job)
        return job

    def ended(self, job: str) -> None:
        """Take note that a job is over."""
        self._at_work.discard(job)

    async def carry_out(self, job: str, setting: Setting) -> None:
        """Do it. Raises HostError."""
        if job == GC:
            await self._collect(setting)
        else:
            rate = setting.config.verify.rate
            pacer = Pacer(_UNPACED if rate is None else rate, _Yielding(self.is_busy))
            await verify_and_repair(self.store, setting.config, pacer, Verifying())
            await tell_published(self.store)

    def _is_gc_due(self, setting: Setting, past: Past, now: datetime) -> bool:
        apart = max(_APART, timedelta(seconds=setting.config.retention.grace) / _OF_GRACE)
        if past.begun is not None and self._has_published and now - past.begun >= apart:
            return True
        return _is_due(setting.config.retention.schedule, setting, GC, past, now)

    async def _collect(self, setting: Setting) -> None:
        self._has_published = False
        found = await self.store.collect(retention_of(setting.config), is_dry=False)
        await tell_published(self.store)
        _log.info(
            "gc.finished",
            deleted={str(level): count for level, count in found.counts.items()},
            bytes_freed=found.freed,
            within_grace=found.waiting,
            skipped=len(found.skipped),
            doubts=found.doubts[:10],
        )


def _is_due(schedule: str, setting: Setting, name: str, past: Past, now: datetime) -> bool:
    """Whether a job's time has come; one that never ran waits for its first time from the start on."""
    begun = past.begun
    return begun is not None and Schedule(schedule, setting.config.timezone, name=name).after(begun) <= now


class _Yielding(SystemClock, frozen=True):
    """A clock by which the scrub stands still while a run is under way."""

    is_busy: Callable[[], bool]

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, and then as long as a run takes."""
        await asyncio.sleep(seconds)
        while self.is_busy():  # noqa: ASYNC110 - runs come one after the other: each end would have to be looked at
            await asyncio.sleep(_GLANCE)
