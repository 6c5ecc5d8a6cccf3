"""The daemon: runs by the clock, one of a group at once, and what is remembered between its starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

import pytest
from support.closed import check_tree
from support.mirror import HOST, Mirror
from support.scripted import Scripted, Stall, answer
from support.virtual import VirtualClock

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.errors import ConfigError, HostError
from mirrord.service.daemon import Daemon
from mirrord.service.setting import Setting
from mirrord.store.store import open_store
from mirrord.sync.journal import Known, Told, read_status
from mirrord.sync.outcome import Report

DAY = timedelta(days=1)


class Audience:
    """Who is told of runs."""

    daemon: Daemon

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._begun = clock, clock.now()
        self.runs: list[tuple[timedelta, str, Report]] = []

    def known(self) -> Known:
        """What the daemon knows of its groups."""
        return Known(self.daemon.groups_document(self._clock.now()), None)

    async def heard(self, _setting: Setting, report: Report, _told: Told) -> None:
        """Take note of a run."""
        groups = ",".join(sorted({plan.group for plan in report.plans}))
        self.runs.append((self._clock.now() - self._begun, groups, report))


@dataclass
class Watched:
    """A daemon under test, and the runs it made: when, of which group."""

    daemon: Daemon
    clock: VirtualClock
    runs: list[tuple[timedelta, str, Report]] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def over(cls, mirror: Mirror, clock: VirtualClock) -> AsyncIterator[Self]:
        """A daemon over a mirror's config; it runs only when asked to."""
        async with open_store(mirror.root, command="test", threads=4, reserve=Reserve(size=0)) as store:
            daemon = Daemon(store, Setting.read(mirror.config), clock, audience := Audience(clock))
            audience.daemon = daemon
            clock.is_busy = lambda: bool(daemon.running) or daemon.is_tidying
            clock.ended = daemon.stop
            yield cls(daemon, clock, audience.runs)
        check_tree(mirror.root)

    async def live(self, span: timedelta) -> None:
        """Let so much time pass."""
        self.clock.end = self.clock.now() + span
        await self.daemon.run()

    def hours(self, group: str) -> list[float]:
        """When runs of a group were, in hours since the beginning."""
        return [round(at.total_seconds() / 3600, 3) for at, name, _ in self.runs if name == group]


def configure(mirror: Mirror, *, schedule: str = "every 6h", extra: str = "") -> None:
    """One group by default, and one more."""
    mirror.configure("{host}/app:1", extra=f"defaults: {{schedule: '{schedule}', jitter: 0s}}\n{extra}")


@pytest.fixture
def clock() -> VirtualClock:
    """It begins on a Sunday at midnight."""
    return VirtualClock()


async def test_every_group_runs_by_its_own_schedule(mirror: Mirror, upstream: Scripted, clock: VirtualClock) -> None:
    """At the start, and then when its schedule comes; a group of a minute stops no group of a day."""
    upstream.push("app", image("a"), "1")
    upstream.push("tool", image("t"), "1")
    groups = f"groups: [{{name: often, schedule: '30 * * * *', images: ['{HOST}/tool:1']}}]\n"
    configure(mirror, schedule="0 3 * * *", extra=groups)
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=5))
    assert watched.hours("default") == [0.0, 3.0]
    assert watched.hours("often") == [0.0, 0.5, 1.5, 2.5, 3.5, 4.5]


async def test_a_restart_waits_for_the_schedule_and_a_long_absence_is_made_up_for(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """What ran before the restart is not run again; what was missed meanwhile is, once."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=1))
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=6))
    assert watched.hours("default") == [5.0]
    clock.time += timedelta(days=3)
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=7))
    assert watched.hours("default") == [0.0, 6.0]


async def test_a_clock_that_jumps(mirror: Mirror, upstream: Scripted, clock: VirtualClock) -> None:
    """A suspended host catches up once; a clock set back by a day makes nobody wait for a day."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    clock.jumps = {clock.time + timedelta(hours=1): DAY, clock.time + timedelta(days=1, hours=13): -DAY}
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(days=1, hours=20))
    assert watched.hours("default")[:3] == [0.0, 25.0, 31.0]
    after_the_second = [at for at in watched.hours("default")[3:] if at < 24]
    assert after_the_second
    assert after_the_second[0] <= 13 + 6.1


async def test_what_fails_is_tried_again_and_found_right(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """A minute later, only what failed; once it is right, the schedule alone counts."""
    upstream.push("app", image("a"), "1")
    upstream.push("tool", image("t"), "1")
    upstream.when("/v2/tool/manifests/1", answer(500), answer(500))
    mirror.configure("{host}/app:1", "{host}/tool:1", extra="defaults: {schedule: every 6h, jitter: 0s}\n")
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=7))
    assert watched.hours("default") == [0.0, round(1 / 60, 3), 0.05, 6.0]
    assert [len(report.outcomes) for _, _, report in watched.runs] == [2, 1, 1, 2]
    assert mirror.tags("tool") == {"1": image("t").digest}


async def test_a_group_is_published_together_or_not_at_all(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """While one image of it fails, none of its changes is served, and the status says which one held it back."""
    for name in ("one", "two"):
        upstream.push(name, image(f"{name} a"), "1")
    images = f"['{HOST}/one:1', '{HOST}/two:1']"
    groups = f"groups: [{{name: k8s, schedule: every 1h, together: true, images: {images}}}]\n"
    upstream.push("app", image("a"), "1")
    configure(mirror, extra=groups)
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(minutes=30))
    upstream.push("one", image("one b"), "1")
    upstream.push("two", image("two b"), "1")
    upstream.when("/v2/two/manifests/sha256", then=answer(500))
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(minutes=45))
    assert mirror.tags("one") == {"1": image("one a").digest}
    status = read_status(mirror.layout).images[f"{HOST}/one:1"]
    assert "group k8s waits for registry.test/two:1" in status.note
    assert status.digest == str(image("one a").digest)
    upstream.stop_playing()
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=1))
    assert mirror.tags("one") == {"1": image("one b").digest}
    assert mirror.tags("two") == {"1": image("two b").digest}


async def test_a_trigger_waits_for_the_run_under_way(mirror: Mirror, upstream: Scripted, clock: VirtualClock) -> None:
    """Never two runs of a group at once: what is asked for meanwhile is one more run after it."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    stall = Stall()
    upstream.when("/v2/app/", stall)
    async with Watched.over(mirror, clock) as watched:
        living = asyncio.create_task(watched.live(timedelta(hours=1)))
        await stall.waiting.wait()
        asked = [watched.daemon.trigger("default", None), watched.daemon.trigger("default", None)]
        assert len(watched.daemon.running) == 1
        stall.released.set()
        reports = await asyncio.gather(*asked)
        await living
    assert reports[0] is reports[1]
    assert len([run for run in watched.runs if run[2] is reports[0]]) == 1


async def test_a_paused_daemon_begins_only_what_is_asked_for(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """Its schedules wait; `resume` catches up."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    async with Watched.over(mirror, clock) as watched:
        watched.daemon.pause(is_paused=True)
        await watched.live(timedelta(hours=12))
        assert watched.runs == []
    async with Watched.over(mirror, clock) as watched:
        watched.daemon.pause(is_paused=True)
        asked = watched.daemon.trigger("default", None)
        await watched.live(timedelta(hours=12))
        assert await asked is not None
        assert watched.hours("default") == [0.0]


async def test_a_cancelled_run_keeps_its_downloads_and_comes_by_its_schedule(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """Nothing of it is published, and it is no failure."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    stall = Stall()
    upstream.when("/v2/app/blobs/", stall)
    async with Watched.over(mirror, clock) as watched:
        living = asyncio.create_task(watched.live(timedelta(hours=7)))
        await stall.waiting.wait()
        assert await watched.daemon.cancel(None) == ("default",)
        await living
    assert watched.hours("default") == [6.0]
    assert mirror.tags("app") == {"1": image("a").digest}


async def test_another_config_counts_from_the_next_run_on(
    mirror: Mirror, upstream: Scripted, clock: VirtualClock
) -> None:
    """A run under way ends by the config it began with; groups that are gone are forgotten, new ones run at once."""
    upstream.push("app", image("a"), "1")
    upstream.push("tool", image("t"), "1")
    configure(mirror)
    stall = Stall()
    upstream.when("/v2/app/manifests/1", stall)
    async with Watched.over(mirror, clock) as watched:
        living = asyncio.create_task(watched.live(timedelta(hours=2)))
        await stall.waiting.wait()
        mirror.configure("{host}/tool:1", extra="defaults: {schedule: every 6h, jitter: 0s}\n")
        watched.daemon.reload(Setting.read(mirror.config))
        upstream.stop_playing()
        stall.released.set()
        await living
        with pytest.raises(ConfigError, match="no group"):
            watched.daemon.trigger("k8s", None)
    assert f"{HOST}/app:1" in {outcome.name for outcome in watched.runs[0][2].outcomes}


async def test_an_unmounted_root_ends_the_daemon(mirror: Mirror, upstream: Scripted, clock: VirtualClock) -> None:
    """It must not fill the empty mount point: whoever restarts it finds the disk again, or is refused."""
    upstream.push("app", image("a"), "1")
    configure(mirror)
    async with Watched.over(mirror, clock) as watched:
        away = mirror.root.with_name("away")
        mirror.root.rename(away)
        mirror.root.mkdir()
        with pytest.raises(HostError, match="was it unmounted"):
            await watched.live(timedelta(hours=1))
        assert list(mirror.root.iterdir()) == []
        mirror.root.rmdir()
        away.rename(mirror.root)
    assert watched.runs == []


async def test_upkeep_comes_daily_and_weekly(mirror: Mirror, upstream: Scripted, clock: VirtualClock) -> None:
    """Old snapshots go though nobody types `gc`, and what rots is mended though nobody types `verify`."""
    configure(mirror, extra="retention: {keep_last: 1, keep_daily: 0, keep_weekly: 0, grace: 1h}\n")
    upstream.push("app", image("a"), "1")
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(hours=1))
    blob = next(path for path in (mirror.root / "pool" / "sha256").rglob("*") if path.is_file())
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    blob.chmod(0o444)
    async with Watched.over(mirror, clock) as watched:
        await watched.live(timedelta(days=8))
    done = await mirror.command("verify")
    assert done.status == 0, done.out
