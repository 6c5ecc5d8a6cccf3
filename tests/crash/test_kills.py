"""A run is killed at each of its system calls: what is served stays whole, and the next run makes up for it."""

import signal
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
BATCH = Injection(("fchmod",), "delay_enter=150000", "4")
"""The disk is slow for once, early on: meanwhile small files gather, and are made durable as one batch."""
PARTS = {"linkat": 6, "unlink": 4, "mkdir": 3, "fsync": 2, "write": 3}
POINTS = [(call, part) for call in CALLS for part in range(PARTS.get(call, 1))]


@pytest.fixture(scope="session")
def calls(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often the thread that does all disk work makes each call in an undisturbed run."""
    log = tmp_path_factory.mktemp("strace") / "log"
    ground.fresh()
    run = ground.begin()
    with traced(run.process, log, (*CALLS, *RELATIVES, "fchmod"), BATCH):
        run.go()
        assert run.wait().status == 0
    found = counted(log)
    assert len(found) == 1, "more than one thread works on the disk: strace would count for each by itself"
    (counts,) = found.values()
    assert not counts.keys() & set(RELATIVES)
    assert counts["syncfs"] == 2, "no batch of small files was made durable at once: let the disk be slow elsewhere"
    return counts


@pytest.mark.parametrize(("call", "part"), POINTS)
def test_killed(ground: Ground, calls: Counter[str], tmp_path: Path, call: str, part: int) -> None:
    """Nothing lost: killed before any one call, the served tree is closed and true, the next run succeeds and its
    result is that of an undisturbed run, with nothing left behind."""
    points = range(1 + part, calls[call] + 1, PARTS.get(call, 1))
    assert calls[call]
    for number in points:
        ground.fresh()
        run = ground.begin()
        with traced(run.process, tmp_path / "log", (call, "fchmod"), BATCH, Injection((call,), "signal=SIGKILL", str(number))):
            run.go()
            ended = run.wait()
        assert ended.status == -signal.SIGKILL, f"{call} {number}: {ended.words}"
        ground.check_served()
        ground.check_next_run()
