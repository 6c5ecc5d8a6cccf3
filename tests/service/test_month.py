"""Weeks of a daemon's life: what its schedules promise is kept, through outages, throttling, reloads and restarts.

The planner, the schedule, the store and the publications are the real ones; only the clock and the transport are not.
"""

import itertools
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from support.closed import check_tree
from support.simulated import SimulatedUpstreams, World
from support.virtual import VirtualClock

from mirrord import events
from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.errors import ConfigError
from mirrord.service.daemon import Daemon
from mirrord.service.setting import Setting
from mirrord.store.store import Store, open_store
from mirrord.store.tree import Tree
from mirrord.sync.journal import Known, Told, read_status
from mirrord.sync.outcome import Report

HOSTS = ("one.test", "two.test", "three.test")
EVERY = (timedelta(hours=12), timedelta(days=1), timedelta(days=2), timedelta(days=4))
OUTAGE = timedelta(hours=5)


@dataclass
class Life:
    """A daemon's life over many starts, and what is to be seen of it."""

    place: Path
    clock: VirtualClock
    world: World
    chance: random.Random
    groups: int
    images: int
    """Of a group."""
    setting: Setting | None = None
    """What the config's file says, as the last daemon had it."""
    runs: int = 0
    lasts: dict[str, datetime] = field(default_factory=dict)
    """When each group last ran with every image of it right."""
    waits: dict[str, timedelta] = field(default_factory=dict)
    """The longest that a group was not."""
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
        for group in range(self.groups):
            for number in range(self.images):
                yield group, f"{HOSTS[group % len(HOSTS)]}/g{group}/r{number // 10}", f"t{number % 10}"

    def every(self, group: int) -> timedelta:
        """How often a group runs."""
        return EVERY[group % len(EVERY)]

    def write(self) -> None:
        """Write the config."""
        lines = [f"root: {self.place / 'root'}", "defaults: {jitter: 10m, referrers: false}", "groups:"]
        for group in range(self.groups):
            hours = self.every(group) // timedelta(hours=1) // (2 if group in self.hurried else 1)
            lines += [f"- name: g{group}", f"  schedule: every {hours}h", f"  together: {str(group % 5 == 4).lower()}"]
            lines.append("  images:")
            lines += [f"  - {name}:{tag}" for of, name, tag in self.names() if of == group]
        self.config.write_text("\n".join(lines) + "\n")

    def move(self, share: float) -> None:
        """The upstreams' images move on."""
        for _, name, tag in self.names():
            if (name, tag) not in self.world.tags or self.chance.random() < share:
                self.world.push(name, tag, image(f"{name} {tag} {self.chance.random()}"))

    def trouble(self) -> None:
        """A host goes down, or throttles; for less than an image may be stale."""
        host = self.chance.choice(HOSTS)
        kind = self.chance.choice([self.world.down, self.world.throttled])
        kind[host] = self.clock.now() + self.chance.random() * OUTAGE

    def reload(self) -> None:
        """The config's file is another, and is read again; what is bad changes nothing, and is put right."""
        kind, self.wished, before = self.wished, "", self.daemon.setting
        self.reloads.append(kind)
        if kind == "good":
            self.hurried ^= {self.chance.randrange(self.groups)}
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
        now = self.clock.now()
        for name, known in self.known().groups.items():
            if known["succeeded"] is not None:
                succeeded = datetime.fromisoformat(str(known["succeeded"])).astimezone(UTC)
                before = self.lasts.get(name, self.begun)
                if succeeded > before:
                    self.waits[name] = max(self.waits.get(name, timedelta()), succeeded - before)
                    self.lasts[name] = succeeded
        assert report.problem is None, (now, report.problem)
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

    async def days(self, count: int) -> None:
        """So many days: each with changes upstream, some with trouble, some with a restart or a day off."""
        self.begun = self.clock.now()
        kinds = itertools.cycle(("good", "", "bad"))
        self.move(1.0)
        self.write()
        for day in range(count):
            async with open_store(self.place / "root", command="test", threads=2, reserve=Reserve(size=0)) as store:
                for _ in range(2):
                    if self.chance.random() < 0.3:
                        self.trouble()
                    self.wished = next(kinds)
                    await self.live(store, timedelta(hours=12))
                    self.move(0.02)
            if day % 10 == 7:
                self.clock.time += timedelta(hours=self.chance.randrange(1, 6))  # the host was off


@pytest.fixture
def memory() -> Iterator[Path]:
    """A directory in memory: a month of publications would else wait for a disk, which is not what is looked at."""
    with tempfile.TemporaryDirectory(prefix="mirrord-", dir="/dev/shm") as place:
        yield Path(place)


@pytest.mark.parametrize(("days", "groups", "images"), [(5, 8, 20), pytest.param(30, 40, 50, marks=pytest.mark.soak)])
async def test_what_the_schedules_promise_is_kept(memory: Path, days: int, groups: int, images: int) -> None:
    """No group waits longer for a run with all of it right than its schedule, its trouble and a try or two explain."""
    events.configure("error")
    clock = VirtualClock()
    chance = random.Random(days)  # noqa: S311 - the same days each time
    life = Life(memory, clock, World(clock.now), chance, groups, images)
    await life.days(days)
    life.world.down.clear()
    life.world.throttled.clear()
    async with open_store(memory / "root", command="test", threads=2, reserve=Reserve(size=0)) as store:
        await life.live(store, timedelta(days=5))
    check_tree(memory / "root")
    tree, status = Tree(store.layout), read_status(store.layout)
    for _, name, tag in life.names():
        found = tree.by_tag(name, tag)
        assert found is not None
        assert found.digest == life.world.tags[name, tag].digest, f"{name}:{tag} is not what its upstream has"
        assert not status.images[f"{name}:{tag}"].is_stale(clock.now())
    for group in range(groups):
        allowed = life.every(group) + 2 * OUTAGE + timedelta(hours=8)
        assert life.waits[f"g{group}"] <= allowed, f"group g{group} was not right for {life.waits[f'g{group}']}"
    least = sum(timedelta(days=days) // life.every(group) for group in range(groups))
    assert life.runs >= least * 0.9
    assert life.reloads.count("good") > 2
    assert life.reloads.count("bad") > 2
