"""A run is killed at each of its system calls: what is served stays whole, and the next run makes up for it."""

import signal
from dataclasses import dataclass
from collections import Counter
from pathlib import Path

import pytest
from support.crash import Ground
from support.strace import Injection, counted, traced

CALLS = (
    "fsync",
    "syncfs",
    "linkat",
    "rename",
    "unlink",
    "unlinkat",
    "symlink",
    "mkdir",
    "rmdir",
    "ftruncate",
    "write",
    "writev",
)
RELATIVES = ("fdatasync", "link", "renameat", "renameat2", "symlinkat", "mkdirat", "pwrite64", "pwritev", "pwritev2")
"""Other calls that do the same: an undisturbed run makes none of them, else they belong among the others."""
PAUSE = "delay_enter=200000"
"""Microseconds."""
PARTS = {"linkat": 6, "unlink": 4, "mkdir": 3, "fsync": 2, "write": 3}
POINTS = [(call, part) for call in CALLS for part in range(PARTS.get(call, 1))]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What the thread that does all disk work does in an undisturbed run."""

    calls: Counter[str]
    pause: Injection
    """The disk is slow for once: meanwhile small files gather, and are made durable as one batch."""


@pytest.fixture(scope="session")
def undisturbed(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Count the calls of a run."""
    log = tmp_path_factory.mktemp("strace") / "log"

    def trace(*injections: Injection) -> list[str]:
        ground.fresh()
        run = ground.begin()
        with traced(run.process, log, (*CALLS, *RELATIVES, "fchmod"), *injections):
            run.go()
            ended = run.wait()
        assert ended.status == 0, ended.words
        return log.read_text().splitlines()

    files = [line for line in trace() if " fchmod(" in line]
    first = next(number for number, line in enumerate(files, 1) if any(digest in line for digest in ground.world.many))
    pause = Injection(("fchmod",), PAUSE, str(first))
    trace(pause)
    found = counted(log)
    assert len(found) == 1, "more than one thread works on the disk: strace would count for each by itself"
    (calls,) = found.values()
    assert not calls.keys() & set(RELATIVES)
    assert calls["syncfs"] == 2, "no batch of small files was made durable at once"
    return Undisturbed(calls, pause)


@pytest.mark.parametrize(("call", "part"), POINTS)
def test_killed(ground: Ground, undisturbed: Undisturbed, tmp_path: Path, call: str, part: int) -> None:
    """Nothing lost: killed before any one call, the served tree is closed and true, the next run succeeds and its
    result is that of an undisturbed run, with nothing left behind."""
    points = range(1 + part, undisturbed.calls[call] + 1, PARTS.get(call, 1))
    assert undisturbed.calls[call]
    for number in points:
        ground.fresh()
        run = ground.begin()
        with traced(run.process, tmp_path / "log", (call, "fchmod"), undisturbed.pause, Injection((call,), "signal=SIGKILL", str(number))):
            run.go()
            ended = run.wait()
        assert ended.status == -signal.SIGKILL, f"{call} {number}: {ended.words}"
        ground.check_served()
        ground.check_next_run()
