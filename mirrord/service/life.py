"""The whole service: the daemon over its store, its HTTP, its control socket, systemd and whoever is told of news."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from mirrord.errors import ConfigError, MirrordError
from mirrord.events import get_logger
from mirrord.serve.address import Address, require_unguarded
from mirrord.serve.embedded import change_terms, make_app, serving
from mirrord.serve.page_files import keep_page
from mirrord.serve.routes import Terms
from mirrord.service.board import Board
from mirrord.service.clock import Clock, SystemClock
from mirrord.service.control import controlling
from mirrord.service.daemon import Daemon
from mirrord.service.health import add_health
from mirrord.service.metrics import GroupTimes, Metrics
from mirrord.service.notices import Notice, newly_stale, news
from mirrord.service.operation import FOUND, Operation, Reply, Workshop
from mirrord.service.place import places
from mirrord.service.setting import Setting
from mirrord.service.systemd import Notifier
from mirrord.service.webhook import send_all
from mirrord.service.wire import About
from mirrord.store.store import Store, open_store
from mirrord.store.tree import Tree
from mirrord.sync.journal import Known, Told, read_status, tell, write_down
from mirrord.sync.outcome import Report
from mirrord.sync.status import MirrorStatus

THREADS = 8
"""Worker threads of the store."""
_LAST_WORDS = 3.0
"""Seconds that transfers to clients have when the daemon ends: they resume from nginx, or from the next one."""
_FIXED = ("root", "listen", "control", "serve", "reserve", "log")
"""Keys whose change takes a restart."""

_log = get_logger()


class Started(Struct, frozen=True):
    """A daemon that runs: where it is reached."""

    root: Path
    address: Address
    control: Path
    groups: int
    images: int


async def run_service(setting: Setting, root: Path, announce: Callable[[Started], None]) -> None:
    """Keep the mirror at ``root`` fresh and serve it until SIGTERM or SIGINT. Raises HostError, ConfigError."""
    notifier = Notifier()
    listen, control = Address.parse(setting.config.listen), places(root, setting.config.control)[0]
    require_unguarded(setting.config.serve, listen)
    async with open_store(root, command="mirrord run", threads=THREADS, reserve=setting.config.reserve) as store:
        about = await store.run(lambda: About.of(root, str(setting.path), setting.config.fingerprint))
        await keep_page(store)
        tree = Tree.at(root)
        app = make_app(tree, Terms.of(setting.config))
        service = Service(store, setting, SystemClock(), notifier, about, app)
        add_health(app, tree, service.metrics.exposition)
        async with (
            serving(app, listen, last_words=_LAST_WORDS) as address,
            controlling(service, control, root),
            service.living(),
        ):
            announce(Started(root, address, control, len(setting.groups), len(setting.images)))
            notifier.ready(service.status_line())
            try:
                await service.daemon.run()
            finally:
                notifier.stopping()


class Service:
    """One daemon as its control socket, its metrics and systemd see it (`control.Controlled`)."""

    def __init__(
        self, store: Store, setting: Setting, clock: Clock, notifier: Notifier, about: About, app: web.Application
    ) -> None:
        self._about = about
        self._app = app
        self.daemon = Daemon(store, setting, clock, self)
        self.metrics = Metrics(store.layout, clock.now, self._times)
        self._clock = clock
        self._notifier = notifier
        self._since = clock.now()
        self._config_error: str | None = None
        self._operations: dict[asyncio.Task[Any] | None, Operation] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._looked = clock.now()

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Signals, the watchdog and the look-out for staleness, until the end of the block."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.daemon.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._errand(self._reload_on_signal()))
        status = await self.daemon.store.run(lambda: read_status(self.daemon.store.layout))
        self._take_status(status)
        self._errand(self._notifier.feed_watchdog())
        self._errand(self._watch_staleness())
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
            for errand in self._errands:
                errand.cancel()
            await asyncio.wait(list(self._errands))

    def status_line(self) -> str:
        """How it stands, in one line, for `systemctl status`."""
        now, board = self._clock.now(), self.metrics.board.groups.values()
        images, stale = sum(each.images for each in board), sum(each.stale(now) for each in board)
        failing = sum(each.failing for each in board)
        words = f"{images} images" + (f", {stale} stale" if stale else "") + (f", {failing} failing" if failing else "")
        return words + (", paused" if self.daemon.is_paused else "")

    # ---- what the control socket offers ----

    def about(self) -> About:
        """Who it is."""
        return replace(self._about, fingerprint=self.daemon.setting.config.fingerprint)

    def progress(self) -> Mapping[str, object]:
        """What it does now."""
        return {
            "since": self._since.isoformat(timespec="seconds"),
            "paused": self.daemon.is_paused,
            "config_error": self._config_error,
            "groups": self.daemon.groups_document(self._clock.now()),
            "runs": {
                name: {
                    "begun": running.begun.isoformat(timespec="seconds"),
                    "images_found": running.progress.images_found,
                    "images_done": running.progress.images_done,
                    "bytes_expected": running.progress.bytes_expected,
                    "bytes_fetched": running.progress.bytes_fetched,
                    "working_on": list(running.progress.working_on)[:10],
                }
                for name, running in self.daemon.running.items()
            },
            "operations": [operation.words for operation in self._operations.values()],
        }

    @contextlib.asynccontextmanager
    async def workshop(self, operation: Operation) -> AsyncIterator[Workshop]:
        """What ``operation`` works with; one that wants to be alone waits for the runs, and no run begins meanwhile."""
        task = asyncio.current_task()
        async with self.daemon.turns.taken(alone=operation.is_alone):
            self._operations[task] = operation
            try:
                setting = self.daemon.setting

                async def heard(report: Report) -> None:
                    await self.heard(setting, report, await write_down(store, setting.config, report, self.known()))

                store = self.daemon.store
                yield Workshop(store, setting.config, heard=heard, upstreams=self.daemon.upstreams)
            finally:
                del self._operations[task]

    async def reload(self) -> Reply:
        """Read the config again, and go by it. Raises ConfigError for a bad one: the old one stays in force."""
        old = self.daemon.setting
        self._notifier.reloading()
        try:
            new = await asyncio.to_thread(Setting.read, old.path)
            terms = Terms.of(new.config)
        except ConfigError as error:
            self._config_error = str(error)
            _log.error("config.rejected", file=str(old.path), error=str(error))
            raise
        else:
            self._config_error = None
            fixed = [key for key in _FIXED if getattr(new.config, key) != getattr(old.config, key)]
            self.daemon.reload(new)
            change_terms(self._app, terms)
            self.metrics.with_repositories = new.config.metrics.per_repository
            _log.info("config.reloaded", groups=len(new.groups), images=len(new.images), restart_for=fixed)
            counts = {"groups": len(new.groups), "images": len(new.images)}
            return Reply({"config": str(new.path), **counts, "restart_for": fixed})
        finally:
            await tell(self.daemon.store, self.daemon.setting.config, self.known())
            self._notifier.ready(self.status_line())  # who waited for it finds it in the status

    async def trigger(self, what: str | None, *, wait: bool) -> Reply:
        """Have a group (or the group of an image; None: all) run now and, to ``wait``, end. Raises ConfigError."""
        setting = self.daemon.setting
        wanted = [setting.meant(what)] if what is not None else [(group.name, None) for group in setting.groups]
        asked = {name: self.daemon.trigger(name, only) for name, only in wanted}
        if not wait:
            return Reply({"triggered": list(asked)})
        ended = {name: await asyncio.shield(future) for name, future in asked.items()}
        runs = {name: report.document() if report else None for name, report in ended.items()}
        is_good = all(report is not None and not report.has_failed for report in ended.values())
        return Reply({"triggered": list(asked), "runs": runs}, 0 if is_good else FOUND)

    async def pause(self) -> Reply:
        """Begin no scheduled run until `resume`."""
        self.daemon.pause(is_paused=True)
        self._notifier.ready(self.status_line())
        return Reply({"paused": True, "running": list(self.daemon.running)})

    async def resume(self) -> Reply:
        """Begin scheduled runs again."""
        self.daemon.pause(is_paused=False)
        self._notifier.ready(self.status_line())
        return Reply({"paused": False, "running": list(self.daemon.running)})

    async def cancel(self, group: str | None) -> Reply:
        """Give up the run of a group, or all that is under way, commands' too. Raises ConfigError."""
        if group is not None:
            self.daemon.setting.group(group)
        given_up = []
        for task, operation in list(self._operations.items()):
            if group is None and task is not None and operation.ends_with_its_client:
                task.cancel()
                given_up.append(operation.words)
        return Reply({"cancelled": [*await self.daemon.cancel(group), *given_up]})

    # ---- what runs tell ----

    async def heard(self, setting: Setting, report: Report, told: Told) -> None:
        """Count a run, and send what is news of it."""
        for name in {plan.group for plan in report.plans if plan.group}:
            self.metrics.heard(name, report)
        self._take_status(told.after)
        self._notifier.ready(self.status_line())
        pinned = frozenset(
            f"{image.local_name}:{tag}"
            for image in setting.images
            if image.digest is not None
            for rule in image.tags
            for tag in rule.literals
        )
        self._send(setting, news(told.before, told.after, pinned))

    async def _watch_staleness(self) -> None:
        """Tell of images that become stale, within a minute."""
        while True:
            await asyncio.sleep(SystemClock.look.total_seconds())
            before, now = self._looked, self._clock.now()
            self._looked = now
            if self.metrics.board.next_stale(before) > now.timestamp():
                continue
            status = await self.daemon.store.run(lambda: read_status(self.daemon.store.layout))
            notice = newly_stale(status, before, now)
            if notice is not None:
                names = [name for name, _ in notice.images[:3]]
                _log.warning("images.stale", count=len(notice.images), images=names)
                self._send(self.daemon.setting, [notice])

    def _take_status(self, status: MirrorStatus) -> None:
        self.metrics.board, self.metrics.upstreams = Board.of(status), status.upstreams

    def known(self) -> Known:
        """What is to stand in the status beside the images."""
        return Known(self.daemon.groups_document(self._clock.now()), self._config_error)

    def _times(self) -> GroupTimes:
        """When each group ran and will, for the metrics."""
        found = self.daemon.groups_document(self._clock.now())
        return {
            name: (_timestamp(each["begun"]), _timestamp(each["succeeded"]), _timestamp(each["next"]))
            for name, each in found.items()
        }

    def _send(self, setting: Setting, notices: list[Notice]) -> None:
        if notices and setting.config.notify:
            mirror = setting.config.public_url or str(self.daemon.store.layout.root)
            self._errand(send_all(setting.config.notify, notices, mirror, self._clock.now()))

    async def _reload_on_signal(self) -> None:
        with contextlib.suppress(MirrordError):  # told in the log
            await self.reload()

    def _errand(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _timestamp(text: object) -> float | None:
    return None if text is None else datetime.fromisoformat(str(text)).timestamp()
