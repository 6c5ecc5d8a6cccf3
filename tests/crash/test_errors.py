"""A system call of a run fails, each in turn: the host is named, what is served stays whole, the next run recovers."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from support.counts import count
from support.crash import Ground
from support.strace import Injection, traced
from support.undisturbed import Undisturbed

ERRORS = {
    "ENOSPC": ("fsync", "linkat", "mkdir", "rename", "symlink", "syncfs", "write", "writev"),
    "EDQUOT": ("fsync", "linkat", "mkdir", "rename", "symlink", "syncfs", "write", "writev"),
    "EIO": (
        "fsync", "ftruncate", "linkat", "mkdir", "rename", "rmdir", "symlink", "syncfs", "unlink", "unlinkat", "write",
        "writev",
    ),
    "EMLINK": ("linkat", "mkdir"),
    "EACCES": ("linkat", "mkdir", "rename", "rmdir", "symlink", "unlink", "unlinkat"),
}  # fmt: skip
"""Which calls can fail how."""
GRID = [(error, call) for error, calls in ERRORS.items() for call in calls]
SAMPLE = 12
"""In the short suite every so manieth call fails; in the long one all do."""


def fail(ground: Ground, undisturbed: Undisturbed, injected: tuple[str, str], points: Iterable[int], log: Path) -> int:
    """Let the N-th call fail, for each of ``points``, and check all there is to check; give how many."""
    error, call = injected
    failed = 0
    for number in points:
        ground.fresh()
        run = ground.begin()
        injections = (*undisturbed.pause_for(call), Injection((call,), f"error={error}", str(number)))
        with traced(run.process, log, (call, "fchmod"), *injections):
            run.go()
            ended = run.wait()
        assert "(INJECTED)" in log.read_text("utf-8", "replace"), f"{call} {number} was not reached: {ended.words}"
        where = f"{error} at {call} {number}: exit status {ended.status}: {ended.words[-300:]}"
        assert ended.status in {0, 1, 3}, where
        assert "Traceback" not in ended.words, f"{where} (a traceback)"
        if ended.status:
            assert re.search(r"\bhost\b", ended.words), where
        ground.check_served_mixed()
        if ended.status == 0:
            assert ground.check_served(), where
        ground.check_next_run()
        failed += 1
    return failed


@pytest.mark.parametrize(("error", "call"), GRID)
def test_some_calls_fail(
    update: Ground, of_update: Undisturbed, place: Path, error: str, call: str, request: pytest.FixtureRequest
) -> None:
    """A host that fails a run is named as the one to act, or the run gets by; nothing that is served is hurt, and the
    next run leaves what an undisturbed one does."""
    total = of_update.calls[call]
    start = 1 + GRID.index((error, call)) % min(SAMPLE, total)
    failed = fail(update, of_update, (error, call), range(start, total + 1, SAMPLE), place / "log")
    count(request, "failed", f"{error} {call}", failed, total)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(("error", "call"), GRID)
def test_every_call_fails(
    update: Ground,
    of_update: Undisturbed,
    place: Path,
    error: str,
    call: str,
    part: int,
    request: pytest.FixtureRequest,
) -> None:
    """The same for each call of an undisturbed run."""
    total = of_update.calls[call]
    points: Sequence[int] = range(1 + part, total + 1, 3)
    assert fail(update, of_update, (error, call), points, place / "log") == len(points)
    count(request, "failed", f"{error} {call}", len(points), total)
