"""Cutting the power under a run, and looking at what is there when it is back."""

import random
import threading
import time
from pathlib import Path

from support.crash import Ground, check_true
from support.disk import Disk
from support.strace import Injection, traced, wait_until_stopped

_LONGEST = 0.4
"""Seconds of a run after which the power is cut at the latest."""


def check_after(ground: Ground, disk: Disk) -> None:
    """All there is to check when the power is back: what is served, what nobody names yet, and the next run."""
    disk.restart()
    ground.check_served()
    check_true(ground.root)
    ground.check_next_run()


def cut_at(ground: Ground, place: Path, stop: Injection, *others: Injection, commit: bool) -> None:
    """Cut the power when the run has made one call, and check.

    With ``commit`` a stranger's fsync comes just before: then all names are durable, but of the bytes only those that
    were made so.
    """
    log = place / "log"
    calls = [call for injection in (stop, *others) for call in injection.calls]
    with Disk.made(place) as disk, ground.moved_to(disk.point / "mirror"):
        ground.fresh()
        disk.sync()
        run = ground.begin()
        with traced(run.process, log, calls, stop, *others):
            run.go()
            try:
                wait_until_stopped(run.process, log)
                if commit:
                    disk.commit()
                disk.cut()
            finally:
                run.kill()
        check_after(ground, disk)


def cut_at_random(ground: Ground, place: Path, chance: random.Random) -> None:
    """Cut the power at some moment of a run, while a stranger makes files durable all the time, and check."""
    with Disk.made(place) as disk, ground.moved_to(disk.point / "mirror"):
        ground.fresh()
        disk.sync()
        over = threading.Event()
        stranger = threading.Thread(target=lambda: _commit_until(over, disk))
        stranger.start()
        run = ground.begin_freely()
        run.go()
        time.sleep(chance.uniform(0, _LONGEST))
        disk.cut()
        over.set()
        run.kill()
        stranger.join()
        check_after(ground, disk)


def _commit_until(over: threading.Event, disk: Disk) -> None:
    while not over.wait(0.003):
        disk.commit()


def cut_at_the_end(ground: Ground, place: Path, *injections: Injection) -> None:
    """Cut the power right after a run has reported success, and check that what it reported is there."""
    with Disk.made(place) as disk, ground.moved_to(disk.point / "mirror"):
        ground.fresh()
        disk.sync()
        run = ground.begin()
        with traced(run.process, place / "log", ("fsync", "syncfs"), *injections):
            run.go()
            assert run.wait().status == 0
        disk.cut()
        disk.restart()
        assert ground.check_served(), "what was reported as published is gone"
        check_true(ground.root)
