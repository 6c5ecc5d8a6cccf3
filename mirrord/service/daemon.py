"""The daemon: begins each group's runs when they come, one of a group at once, and upkeep when nothing else is to do.

What comes when is decided in agenda.py. This is where it is done: runs, collections and the scrub as tasks of one group
that ends with the daemon.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct, field

from mirrord.config.groups import Group
from mirrord.config.model import Config
from mirrord.errors import HostError, MirrordError
from mirrord.events import get_logger, with_fields
from mirrord.service.agenda import Due, Past, after_failure, after_run
from mirrord.service.clock import Clock
from mirrord.service.dues import Dues
from mirrord.service.pasts import Pasts
from mirrord.service.setting import Setting
from mirrord.service.turns import Turns
from mirrord.service.upkeep import GC, VERIFY, Upkeep
from mirrord.store.change import Brake
from mirrord.store.store import Store
from mirrord.sync.journal import Known, Told, write_down
from mirrord.sync.outcome import Progress, Report
from mirrord.sync.plan import plan_group
from mirrord.sync.run import Order, Upstreams, run_sync

_log = get_logger()


class ToldOf(Protocol):
    """Who is told of each run that ended."""

    def known(self) -> Known:
        """What is to stand in the status beside the images."""

    async def heard(self, setting: Setting, report: Report, told: Told) -> None:
        """A run ended, and is in the status."""


class Running(Struct):
    """A run under way."""

    group: str
    begun: datetime
    task: "asyncio.Task[Report | None]"
    progress: Progress


class Asked(Struct):
    """A run that somebody asked for, and that has not begun."""

    only: tuple[str, ...] | None
    ended: "asyncio.Future[Report | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Daemon:
    """Schedules over one store. `run` is its life; the rest may be called meanwhile, in the same loop."""

    def __init__(
        self,
        store: Store,
        setting: Setting,
        clock: Clock,
        told: "ToldOf",
        upstreams: Callable[[Config], Upstreams] = Upstreams,
    ) -> None:
        self.store = store
        store.now = clock.now  # what is due and what is old enough to go are one question
        self.setting = setting
        self.clock = clock
        self.upstreams = upstreams(setting.config)
        self.is_paused = False
        self.running: dict[str, Running] = {}
        """By group."""
        self._upstreams = upstreams
        self._told = told
        self._pasts = Pasts()
        self._dues = Dues(setting.config.timezone)
        self._asked: dict[str, Asked] = {}
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._upkeep = Upkeep(store, clock, self._is_busy)
        self.turns = Turns(lambda: bool(self.running) or self._upkeep.is_at_work, self._changed)
        """Of what is no run."""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Keep the mirror fresh until `stop`. Raises HostError where the root is no longer what was opened."""
        self._pasts = await Pasts.load(self.store)
        self._pasts.begin((GC, VERIFY), self.clock.now())
        opened = await self.store.run(lambda: _identity(self.store))
        _log.info("service.ready", groups=len(self.setting.groups), images=len(self.setting.images))
        try:
            while not self._is_stopping:
                self._wake.clear()
                if opened is None or await self.store.run(lambda: _identity(self.store)) != opened:
                    raise HostError(
                        f"{self.store.layout.root} is no longer the directory that was opened: was it unmounted? "
                        "Mount it again; mirrord begins anew then"
                    )
                until = self._begin(self.clock.now())
                await self.clock.wait(self._wake, until)
        finally:
            _log.info("service.stopping", runs=len(self.running))
            await self._end_tasks()

    @property
    def is_tidying(self) -> bool:
        """Whether a collection or the scrub is under way."""
        return self._upkeep.is_at_work

    def stop(self) -> None:
        """Begin nothing more, and end what is under way: downloads stay, and are resumed."""
        self._is_stopping = True
        self._wake.set()

    def reload(self, setting: Setting) -> None:
        """Go on under another config; runs under way end under the one they began with."""
        self.setting = setting
        self._dues = Dues(setting.config.timezone)
        self.upstreams = self._upstreams(setting.config)
        names = {group.name for group in setting.groups}
        self._pasts.keep(names | {GC, VERIFY})
        for name in self._asked.keys() - names:
            self._asked.pop(name).ended.set_result(None)
        self._wake.set()

    def pause(self, *, is_paused: bool) -> None:
        """Begin no scheduled run until told otherwise; what is under way, and what is asked for, goes on."""
        self.is_paused = is_paused
        _log.info("service.paused" if is_paused else "service.resumed")
        self._wake.set()

    def trigger(self, group: str, only: tuple[str, ...] | None) -> "asyncio.Future[Report | None]":
        """Have a run of a group (of some repositories of it) begin at once, or after the one under way.

        Its report comes with the future; None where it could not be made. Raises ConfigError for an unknown group.
        """
        self.setting.group(group)
        if self._is_stopping:
            raise HostError("mirrord is stopping: no run is begun any more")
        before = self._asked.get(group)
        if before is None:
            before = self._asked[group] = Asked(only)
        elif before.only is not None:
            before.only = None if only is None else tuple(sorted({*before.only, *only}))
        self._wake.set()
        return before.ended

    async def cancel(self, group: str | None) -> tuple[str, ...]:
        """End the run of a group (None: all) that is under way; its downloads stay. Gives the groups it ended."""
        found = [running for running in self.running.values() if group in {None, running.group}]
        for running in found:
            running.task.cancel()
        if found:
            await asyncio.wait([running.task for running in found])
        return tuple(running.group for running in found)

    def _changed(self) -> None:
        """Something is over: whoever waits for a place looks again, and so does the schedule."""
        self._wake.set()
        self.turns.look_again()

    def groups_document(self, now: datetime) -> dict[str, Mapping[str, object]]:
        """What is known of each group's runs, for the status."""
        found: dict[str, Mapping[str, object]] = {}
        for group in self.setting.groups:
            past = self._pasts.of(group.name)
            due = self._dues.of(group, past, now)
            found[group.name] = {
                **{name: value for name, value in past.document().items() if name not in {"again", "left"}},
                "next": due.at.isoformat(timespec="seconds"),
                "next_is_retry": due.only is not None,
            }
        return found

    def _begin(self, now: datetime) -> datetime:
        """Begin all that is due, and say when to look again."""
        until = now + self.clock.look
        self._pasts.settle(now)
        if self.turns.holds_back:
            return until
        for group in self.setting.groups:
            if group.name in self.running or self._is_stopping:
                continue
            asked = self._asked.pop(group.name, None)
            if asked is not None:
                self._start(group, Due(now, asked.only), asked)
                continue
            due = self._dues.of(group, self._pasts.of(group.name), now)
            if due.at <= now and not self.is_paused:
                self._start(group, due, None)
            elif not self.is_paused:
                until = min(until, due.at)
        if not self._is_stopping and not self.is_paused:
            job = self._upkeep.next_job(self.setting, self._pasts.by_name, now)
            if job is not None:
                self._keep(asyncio.create_task(self._tidy(job), name=job))
        return until

    def _is_busy(self) -> bool:
        return bool(self.running)

    def _start(self, group: Group, due: Due, asked: Asked | None) -> None:
        progress = Progress()
        task = asyncio.create_task(self._run(group, due, progress, asked), name=f"run of {group.name}")
        self.running[group.name] = Running(group.name, self.clock.now(), task, progress)
        self._keep(task)

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, group: Group, due: Due, progress: Progress, asked: Asked | None) -> Report | None:
        """One run of a group, from its plan to what is remembered of it."""
        setting, begun, report = self.setting, self.clock.now(), None
        past = self._pasts.of(group.name)
        try:
            with with_fields(group=group.name):
                served = await self.store.repositories()
                has_rest = group.name == setting.groups[0].name
                plans = plan_group(setting.images, served, group.name, has_rest=has_rest, only=due.only)
                reason = f"schedule of {group.name}" if asked is None else f"trigger of {group.name}"
                is_whole = len(setting.groups) == 1 and due.only is None
                order = Order(plans, reason, Brake(setting.config.delete.max), is_whole)
                report = await run_sync(setting.config, order, self.store, progress, self.upstreams)
                past = after_run(past, due, report, begun, self.clock.now(), group)
                self._remember(group.name, past)
                told = await write_down(self.store, setting.config, report, self._told.known())
                await self._told.heard(setting, report, told)
                if report.snapshots:
                    self._upkeep.published()
        except asyncio.CancelledError:
            if not self._is_stopping:  # else the next start goes on with it
                self._remember(group.name, after_failure(past, due, begun, self.clock.now(), is_failure=False))
            raise
        except MirrordError as error:
            _log.error("run.failed", group=group.name, owner=str(error.owner), error=str(error))
            self._remember(group.name, after_failure(past, due, begun, self.clock.now()))
        except Exception:  # noqa: BLE001 - the top of a run: a bug ends this one, and never the daemon
            _log.exception("run.crashed", group=group.name)
            self._remember(group.name, after_failure(past, due, begun, self.clock.now()))
        finally:
            del self.running[group.name]
            if asked is not None and not asked.ended.done():
                asked.ended.set_result(report)
            self._changed()
        await self._pasts.save(self.store)
        return report

    async def _tidy(self, job: str) -> None:
        """A collection or the scrub; what goes wrong is told, and it comes again with its schedule."""
        begun = self.clock.now()
        try:
            await self._upkeep.carry_out(job, self.setting)
        except MirrordError as error:
            _log.error("upkeep.failed", job=job, owner=str(error.owner), error=str(error))
        except Exception:  # noqa: BLE001 - the top of a job, likewise
            _log.exception("upkeep.crashed", job=job)
        finally:
            self._upkeep.ended(job)
            self._changed()
        self._remember(job, Past(begun=begun, ended=self.clock.now()))
        await self._pasts.save(self.store)

    def _remember(self, name: str, past: Past) -> None:
        self._pasts.by_name[name] = past

    async def _end_tasks(self) -> None:
        for asked in self._asked.values():
            asked.ended.set_result(None)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._pasts.save(self.store)


def _identity(store: Store) -> tuple[int, int] | None:
    """The directory that the root's path names now."""
    try:
        found = os.stat(store.layout.mark)
    except OSError:
        return None
    return found.st_dev, found.st_ino
