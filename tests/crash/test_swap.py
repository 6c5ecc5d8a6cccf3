"""The swap that publishes: what if it is not known to be durable."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from support.crash import Ground, Listing
from support.disk import Disk
from support.mirror import Mirror
from support.order import read_calls
from support.paced import Paced
from support.states import State, World
from support.strace import Injection, traced
from support.undisturbed import Undisturbed
from support.warm import Ended, Warm

from mirrord.demo.images import image
from mirrord.demo.upstream import Upstream


def sync_after_swap(lines: tuple[str, ...]) -> int:
    """Which of a run's fsyncs is the one that makes the first swap durable."""
    swapped = next(place for place, line in enumerate(lines) if re.search(r'", ".*/current"', line))
    return sum(" fsync(" in line for line in lines[:swapped]) + 1


def test_what_a_killed_run_has_swapped_is_durable_after_the_next(
    update: Ground, of_update: Undisturbed, tmp_path: Path
) -> None:
    """A run that finds all unchanged reports what `current` says: so it is made durable, whoever wrote it."""
    expected = sync_after_swap(of_update.lines)
    with Disk.made(tmp_path) as disk, update.moved_to(disk.point / "mirror"):
        for when in range(expected, expected + 5):  # a directory is synced once more where its links come one by one
            update.fresh()
            disk.sync()
            run = update.begin()
            killed = Injection(("fsync",), "signal=SIGKILL", str(when))
            with traced(run.process, tmp_path / "log", ("fsync", "fchmod"), *of_update.pause, killed):
                run.go()
                assert run.wait().status == -signal.SIGKILL
            if update.check_served():
                break
        else:
            pytest.fail("the run was killed before its swap each time")
        run = update.begin()
        with traced(run.process, log := tmp_path / "log", ("fsync",)):
            run.go()
            assert run.wait().status == 0
        synced = [call.paths for call in read_calls(log.read_text().splitlines(), update.root)]
        assert (".",) in synced
        disk.cut()
        disk.restart()
        assert update.check_served(), "what the second run reported is gone"


@pytest.fixture
def ticking(warm: Warm, tmp_path: Path) -> Iterator[Ground]:
    """A run that publishes one image while it still waits to hear that another is unchanged."""
    kept = ("kept", image("kept"), tuple("12345678"))
    wanted = ("{host}/moving:1", '{{name: "{host}/kept", tags: ["1", "2", "3", "4", "5", "6", "7", "8"]}}')
    before, after = (State((kept, ("moving", image(seed), ("1",))), wanted) for seed in ("before", "after"))
    upstream = Paced()
    with upstream.in_background():
        world = World(before, after, b"", b"", frozenset())
        ground = Ground(Mirror(tmp_path, upstream.url, "{attempts: 1, concurrency: 1}"), upstream, warm, world)
        ground.prepare()
        ground.mirror.config.write_text(f"publish_every: 1s\n{ground.mirror.config.read_text()}")
        late = partial(answer_once_published, upstream, ground.root)
        upstream.when("HEAD /v2/kept/manifests/8", late, late)
        yield ground


async def answer_once_published(upstream: Paced, root: Path, request: web.Request) -> web.StreamResponse:
    """Answer when something else is served than is now."""
    served = os.readlink(root / "current")
    while os.readlink(root / "current") == served:  # noqa: ASYNC110 - the disk tells, no event does
        await asyncio.sleep(0.01)
    return await Upstream.respond(upstream, request)


def trace(ground: Ground, log: Path, *injections: Injection) -> tuple[Ended, tuple[str, ...]]:
    """Run, and give how it ended and its calls."""
    ground.fresh()
    run = ground.begin()
    with traced(run.process, log, ("fsync", "rename"), *injections):
        run.go()
        ended = run.wait()
    return ended, tuple(log.read_text().splitlines())


def test_a_swap_that_fails_leaves_no_snapshot_that_was_never_served(ticking: Ground, tmp_path: Path) -> None:
    """When the run goes on and publishes later, what is left of it is what was served, and nothing else."""
    _, lines = trace(ticking, tmp_path / "log")
    renames = [line for line in lines if " rename(" in line]
    swap = next(number for number, line in enumerate(renames, 1) if re.search(r'", ".*/current"', line))
    ended, _ = trace(ticking, tmp_path / "log", Injection(("rename",), "error=EIO", str(swap)))
    assert "publication.failed" in ended.words
    assert ended.status == 0
    assert ticking.check_served()
    assert [lost for lost in Listing.of(ticking.root).lost if not lost.startswith(".current.")] == []
    ticking.check_next_run()


def test_a_swap_that_may_be_undone_is_told_at_the_end(ticking: Ground, tmp_path: Path) -> None:
    """Where the fsync after a swap failed, the run says so and exits with 3, though nothing else fails."""
    _, lines = trace(ticking, tmp_path / "log")
    ended, _ = trace(ticking, tmp_path / "log", Injection(("fsync",), "error=EIO", str(sync_after_swap(lines))))
    assert ticking.check_served()
    assert ended.status == 3, ended.words
    assert "is served, but a power cut may undo it" in ended.words
    ticking.check_next_run()
