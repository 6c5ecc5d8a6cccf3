"""A run is killed at each of its system calls: what is served stays whole, and the next run makes up for it."""

import signal
from collections.abc import Iterable

import pytest
from support.counts import count
from support.crash import Ground
from support.strace import Injection, traced
from support.undisturbed import CALLS, Undisturbed

SAMPLE = {"fsync": 2, "linkat": 5, "mkdir": 5, "unlink": 5, "write": 4}
"""Of calls that a run makes often, every so manieth is tried in the short suite; all are in the long one."""
BEGINNING = {"fsync": 3, "mkdir": 11, "rename": 3, "syncfs": 2, "symlink": 2, "write": 3}
"""Calls of a first run that are tried in the short suite: those that make the root."""
PARTS = 5
"""Tests among which the points of one call are divided, in the long suite."""


def kill(ground: Ground, undisturbed: Undisturbed, call: str, points: Iterable[int]) -> int:
    """Kill the run before its N-th ``call``, for each of ``points``, and check all there is to check; give how many."""
    log = ground.mirror.place / "log"
    killed = 0
    for number in points:
        ground.fresh()
        run = ground.begin()
        injections = (*undisturbed.pause_for(call), Injection((call,), "signal=SIGKILL", str(number)))
        with traced(run.process, log, (call, "fchmod"), *injections):
            run.go()
            ended = run.wait()
        assert ended.status == -signal.SIGKILL, f"{call} {number} was not reached: {ended.words}"
        ground.check_served()
        ground.check_next_run()
        killed += 1
    return killed


@pytest.mark.parametrize("call", CALLS)
def test_killed_at_some_calls(
    update: Ground, of_update: Undisturbed, call: str, request: pytest.FixtureRequest
) -> None:
    """Nothing lost: after a kill the served tree is closed and true, and the next run leaves what it leaves anyway.

    That is: what an undisturbed run does, and nothing lying around.
    """
    total = of_update.calls[call]
    killed = kill(update, of_update, call, range(1, total + 1, SAMPLE.get(call, 1)))
    count(request, "killed", call, killed, total)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_every_call(
    update: Ground, of_update: Undisturbed, call: str, part: int, request: pytest.FixtureRequest
) -> None:
    """Nothing lost: as many points are killed as an undisturbed run has."""
    total = of_update.calls[call]
    points = range(1 + part, total + 1, PARTS)
    assert kill(update, of_update, call, points) == len(points)
    count(request, "killed", call, len(points), total)


@pytest.mark.parametrize("call", BEGINNING)
def test_killed_while_the_root_is_made(
    first: Ground, of_first: Undisturbed, call: str, request: pytest.FixtureRequest
) -> None:
    """A first run that is killed leaves no root or one: never a directory that the next run refuses as a stranger's."""
    killed = kill(first, of_first, call, range(1, BEGINNING[call] + 1))
    count(request, "killed in a first run", call, killed, of_first.calls[call])


@pytest.mark.soak
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_every_call_of_a_first_run(
    first: Ground, of_first: Undisturbed, call: str, request: pytest.FixtureRequest
) -> None:
    """Before there is anything to serve, a kill leaves nothing, or nothing that the next run stumbles over."""
    total = of_first.calls[call]
    assert kill(first, of_first, call, range(1, total + 1)) == total
    count(request, "killed in a first run", call, total, total)
