"""A month of a daemon's life: what its schedules promise is kept, through outages, throttling, reloads and restarts.

The planner, the schedule, the store and the publications are the real ones; only the clock and the transport are not.
"""

import random
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest
from support.closed import check_tree
from support.simulated import SimulatedUpstreams, World
from support.virtual import VirtualClock

from mirrord import events
from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.errors import ConfigError
from mirrord.service.agenda import LAST_RETRY
from mirrord.service.daemon import Daemon
from mirrord.service.setting import Setting
from mirrord.store.layout import Layout
from mirrord.store.store import Store, open_store
from mirrord.store.tree import Tree
from mirrord.sync.journal import Known, Told, read_status
from mirrord.sync.outcome import Report

GROUPS, IMAGES, TAGS = 40, 50, 25
"""Groups, images of a group, images of a repository."""
HOSTS = ("one.test", "two.test", "three.test")
SCHEDULES = (
    ("every 12h", 12),
    ("17 3 * * *", 24),
    ("every 36h", 36),
    ("30 2 * * *", 24),
    ("every 2d", 48),
    ("40 5 * * mon,wed,fri", 72),
    ("every 3d", 72),
    ("5 22 */2 * *", 48),
)
"""Of the groups in turn, and the most hours between two times of each; on the 29th there is no 02:30."""
JITTER = timedelta(minutes=10)
OUTAGE = timedelta(hours=5)
HALF = timedelta(hours=12)
TROUBLES = 0.25
"""How likely a half day has one."""
STARTS = (6, 5, 5, 5, 5)
"""After how many days the host is off for some hours each time; the rest of 30 is calm: all has to be right then."""


@dataclass(frozen=True)
class Trouble:
    """When a host (none: all of them) could not be asked."""

    host: str | None
    begun: datetime
    ended: datetime

    def delay(self, begun: datetime, ended: datetime) -> timedelta:
        """How much of a wait it explains: what it lasted meanwhile, and a try after it."""
        met = min(self.ended, ended) - max(self.begun, begun)
        return met + timedelta(seconds=LAST_RETRY) if met > timedelta() else timedelta()


@dataclass
class Life:
    """A daemon's life over many starts, and what is to be seen of it."""

    place: Path
    clock: VirtualClock
    world: World
    chance: random.Random
    setting: Setting | None = None
    """What the config's file says, as the last daemon had it."""
    runs: int = 0
    failed: int = 0
    """Runs in which a host could not be asked."""
    waits: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    """Of each group, from one run with every image of it right to the next."""
    troubles: list[Trouble] = field(default_factory=list)
    hurried: set[int] = field(default_factory=set)
    """Groups whose schedule comes twice as often for now: what a reload changes."""
    wished: str = ""
    """What reload comes with the next run's end: of a "good" config, or of a "bad" one."""
    reloads: list[str] = field(default_factory=list)
    """Those that came."""

    @property
    def config(self) -> Path:
        """The config's file."""
        return self.place / "mirrord.yaml"

    def names(self) -> Iterator[tuple[int, str, str]]:
        """Every image: its group, its repository, its tag."""
        for group in range(GROUPS):
            for number in range(IMAGES):
                yield group, f"{host_of(group)}/g{group}/r{number // TAGS}", f"t{number % TAGS}"

    def write(self) -> None:
        """Write the config."""
        images: dict[int, dict[str, list[str]]] = {}
        for group, name, tag in self.names():
            images.setdefault(group, {}).setdefault(name, []).append(tag)
        lines = [
            f"root: {self.place / 'root'}",
            "timezone: Europe/Berlin",
            'verify: {schedule: "0 4 1,15 * *"}',
            "groups:",
        ]
        for group, repositories in images.items():
            hours = hours_of(group)
            schedule = f"every {hours // 2}h" if group in self.hurried else SCHEDULES[group % len(SCHEDULES)][0]
            lines += [f"- name: g{group}", f"  schedule: {schedule}", f"  together: {str(group % 5 == 4).lower()}"]
            lines += ["  jitter: 10m", f"  stale_after: {hours + 1}h", "  referrers: false", "  images:"]
            for name, tags in repositories.items():
                one_by_one = [f"  - {name}:{tag}" for tag in tags]
                lines += one_by_one if group % 4 == 0 else [f"  - {{name: {name}, tags: [{', '.join(tags)}]}}"]
        self.config.write_text("\n".join(lines) + "\n")

    def move(self, share: float) -> None:
        """The upstreams' images move on."""
        for _, name, tag in self.names():
            if (name, tag) not in self.world.tags or self.chance.random() < share:
                self.world.push(name, tag, image(f"{name} {tag} {self.chance.random()}"))

    def trouble(self) -> None:
        """A host goes down, or throttles."""
        host, now = self.chance.choice(HOSTS), self.clock.now()
        kind = self.chance.choice([self.world.down, self.world.throttled])
        kind[host] = now + self.chance.random() * OUTAGE
        self.troubles.append(Trouble(host, now, kind[host]))

    def sleep(self) -> None:
        """The host is off for some hours."""
        begun = self.clock.time
        self.clock.time += timedelta(hours=self.chance.randrange(1, 6))
        self.troubles.append(Trouble(None, begun, self.clock.time))

    def reload(self) -> None:
        """The config's file is another, and is read again; what is bad changes nothing, and is put right."""
        kind, self.wished, before = self.wished, "", self.daemon.setting
        self.reloads.append(kind)
        if kind == "good":
            self.hurried ^= {self.chance.randrange(GROUPS)}
            self.write()
            self.daemon.reload(Setting.read(self.config))
            assert self.daemon.setting.config.fingerprint != before.config.fingerprint
            return
        good = self.config.read_text()
        self.config.write_text(good.replace("schedule: every", "schedule: whenever", 1))
        with pytest.raises(ConfigError, match="schedule"):
            self.daemon.reload(Setting.read(self.config))
        assert self.daemon.setting is before
        self.config.write_text(good)

    def known(self) -> Known:
        """What the daemon knows."""
        return Known(self.daemon.groups_document(self.clock.now()), None)

    async def heard(self, _setting: Setting, report: Report, _told: Told) -> None:
        """Take note of a run."""
        self.runs += 1
        self.failed += any(outcome.error is not None for outcome in report.outcomes)
        for name, known in self.known().groups.items():
            if known["succeeded"] is not None:
                succeeded = datetime.fromisoformat(str(known["succeeded"])).astimezone(UTC)
                waits = self.waits.setdefault(name, [(self.begun, succeeded)])
                if succeeded > waits[-1][1]:
                    waits.append((waits[-1][1], succeeded))
        assert report.problem is None, (self.clock.now(), report.problem)
        if self.wished:
            self.reload()

    async def live(self, store: Store, span: timedelta) -> None:
        """One start of the daemon."""
        if self.setting is None:
            self.setting = Setting.read(self.config)
        upstreams = partial(SimulatedUpstreams, self.world)
        self.daemon = Daemon(store, self.setting, self.clock, self, upstreams)
        self.clock.end = self.clock.now() + span
        self.clock.is_busy = lambda: bool(self.daemon.running) or self.daemon.is_tidying
        self.clock.ended = self.daemon.stop
        await self.daemon.run()
        self.setting = self.daemon.setting

    async def month(self) -> None:
        """30 days: with changes upstream, trouble and reloads, but for the last ones."""
        self.begun = self.clock.now()
        self.move(1.0)
        self.write()
        halves = count()
        for days in STARTS:
            async with self.held() as store:
                for half in islice(halves, 2 * days):
                    if self.chance.random() < TROUBLES:
                        self.trouble()
                    self.wished = {0: "good", 5: "bad"}.get(half % 10, "")
                    await self.live(store, HALF)
                    self.move(0.01)
            self.sleep()
        async with self.held() as store:
            await self.live(store, timedelta(days=30 - sum(STARTS)))

    def held(self) -> AbstractAsyncContextManager[Store]:
        """The root, as its writer."""
        return open_store(self.place / "root", command="test", threads=2, reserve=Reserve(size=0))

    def late(self, group: int) -> Iterator[str]:
        """When a group was not right for longer than its schedule and its trouble explain."""
        allowed = timedelta(hours=hours_of(group)) + JITTER + timedelta(minutes=2)
        waits = self.waits[f"g{group}"]
        for begun, ended in [*waits, (waits[-1][1], self.clock.now())]:
            met = [each for each in self.troubles if each.host in {None, host_of(group)}]
            explained = sum((each.delay(begun, ended) for each in met), timedelta())
            if ended - begun > allowed + explained:
                yield f"g{group}: {begun} to {ended}, {ended - begun - allowed - explained} too long"


def host_of(group: int) -> str:
    """Where the images of a group come from."""
    return HOSTS[group % len(HOSTS)]


def hours_of(group: int) -> int:
    """The most hours between two times of a group's schedule."""
    return SCHEDULES[group % len(SCHEDULES)][1]


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory: a month of publications would else wait for a disk, which is not what is looked at."""
    with tempfile.TemporaryDirectory(prefix="mirrord-", dir="/dev/shm") as place:
        yield Path(place)


async def test_a_month_of_what_the_schedules_promise(memory: Path) -> None:
    """No group of 40 (2,000 images) is without a run with all of it right for longer than its schedule says.

    But for the hours in which its host could not be asked, or this one was off, and a try after them.
    """
    events.configure("error")
    clock = VirtualClock(datetime(2099, 3, 1, tzinfo=UTC), look=timedelta(minutes=15))
    life = Life(memory, clock, World(clock.now), random.Random(30))  # noqa: S311 - the same month each time
    await life.month()
    assert [late for group in range(GROUPS) for late in life.late(group)] == []
    root = memory / "root"
    check_tree(root)
    tree, status = Tree.at(root), read_status(Layout(root))
    for _, name, tag in life.names():
        found = tree.by_tag(name, tag)
        assert found is not None
        assert found.digest == life.world.tags[name, tag].digest, f"{name}:{tag} is not what its upstream has"
        assert not status.images[f"{name}:{tag}"].is_stale(clock.now()), f"{name}:{tag} is stale"
    assert life.runs > 0.9 * 24 * 30 * sum(1 / hours_of(group) for group in range(GROUPS))
    assert life.failed > 2 * len(life.troubles)
    assert min(life.reloads.count(kind) for kind in ("good", "bad")) > 4
    assert len(list((root / "snapshots").iterdir())) < 100, "a month's snapshots are not collected"
