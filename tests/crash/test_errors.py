"""A system call of a run fails, each in turn: the host is named, what is served stays whole, the next run recovers."""

import re
from collections.abc import Iterable, Sequence

import pytest
from support.counts import count
from support.crash import Ground
from support.strace import Injection, traced
from support.undisturbed import OPENS, Undisturbed

FULL = ("fsync", "linkat", "mkdir", "rename", "symlink", "syncfs", "write", "writev")
REMOVING = ("rmdir", "unlink", "unlinkat")
ERRORS = {
    "ENOSPC": FULL,
    "EDQUOT": FULL,
    "EIO": (*FULL, *OPENS, *REMOVING, "ftruncate"),
    "EMLINK": ("linkat", "mkdir"),
    "EMFILE": OPENS,
    "EACCES": (*OPENS, *REMOVING, "linkat", "mkdir", "rename", "symlink"),
}
"""Which calls can fail how."""
GRID = [(error, call) for error, calls in ERRORS.items() for call in calls]
SAMPLE = 12
"""In the short suite every so manieth call fails; in the long one all do."""


def fail(ground: Ground, undisturbed: Undisturbed, injected: tuple[str, str], points: Iterable[int]) -> int:
    """Let the N-th call fail, for each of ``points``, and check all there is to check; give how many."""
    error, call = injected
    log = ground.mirror.place / "log"
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


def points_of(undisturbed: Undisturbed, error: str, call: str) -> Sequence[int]:
    """Which calls can fail so: there are too many links only where one is made, not where it is there already."""
    return undisturbed.successes(call) if error == "EMLINK" else undisturbed.points(call)


@pytest.mark.parametrize(("error", "call"), GRID)
def test_some_calls_fail(
    update: Ground, of_update: Undisturbed, error: str, call: str, request: pytest.FixtureRequest
) -> None:
    """A host that fails a run is named as the one to act, or the run gets by; nothing that is served is hurt.

    The next run leaves what an undisturbed one does.
    """
    points = points_of(of_update, error, call)
    chosen = points[GRID.index((error, call)) % min(SAMPLE, len(points)) :: SAMPLE]
    count(request, "failed", f"{error} {call}", fail(update, of_update, (error, call), chosen), len(points))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(("error", "call"), GRID)
def test_every_call_fails(
    update: Ground, of_update: Undisturbed, error: str, call: str, part: int, request: pytest.FixtureRequest
) -> None:
    """The same for each call of an undisturbed run."""
    points = points_of(of_update, error, call)
    failed = fail(update, of_update, (error, call), points[part::3])
    assert failed == len(points[part::3])
    count(request, "failed", f"{error} {call}", failed, len(points))
