"""The power is cut: at the steps of a run's protocol, and at any moment; nothing is lost and nothing is untrue."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.counts import count
from support.crash import Ground
from support.power import cut_at, cut_at_random, cut_at_the_end
from support.strace import Injection
from support.undisturbed import CALLS, Undisturbed

SAMPLE = 20
"""Of all calls, every so manieth is a cut in the short suite; in the long one each call is."""
PARTS = 6


def cut_each(ground: Ground, undisturbed: Undisturbed, points: Iterable[tuple[str, int]], place: Path) -> int:
    """Cut the power after each of these calls; give how many cuts there were."""
    cuts = 0
    for call, number in points:
        stop = Injection((call,), "signal=SIGSTOP", str(number))
        cut_at(ground, place, stop, *undisturbed.pause_for(call), commit=cuts % 4 != 3)
        cuts += 1
    return cuts


def points_of(undisturbed: Undisturbed) -> list[tuple[str, int]]:
    """Every call there is to cut at."""
    return [(call, number) for call in CALLS for number in range(1, undisturbed.calls[call] + 1)]


@pytest.mark.parametrize("half", range(2))
def test_cut_at_some_calls(
    update: Ground, of_update: Undisturbed, tmp_path: Path, half: int, request: pytest.FixtureRequest
) -> None:
    """After a cut the served tree is closed and true, no file anywhere belies its name, and the next run succeeds."""
    points = points_of(of_update)
    cuts = cut_each(update, of_update, points[SAMPLE // 2 :: SAMPLE][half::2], tmp_path)
    count(request, "power cuts", "at calls", cuts, len(points))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_cut_at_every_call(
    update: Ground, of_update: Undisturbed, tmp_path: Path, part: int, request: pytest.FixtureRequest
) -> None:
    """The same at each call of the run."""
    points = points_of(of_update)
    cuts = cut_each(update, of_update, points[part::PARTS], tmp_path)
    assert cuts == len(points[part::PARTS])
    count(request, "power cuts", "at calls", cuts, len(points))


@pytest.mark.parametrize("seed", range(2))
def test_cut_at_some_moments(many_threads: Ground, tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    """Also with many threads at work, whatever they are at."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    for _ in range(3):
        cut_at_random(many_threads, tmp_path, chance)
    count(request, "power cuts", f"at random, seed {seed}", 3, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 16))
def test_cut_at_many_moments(many_threads: Ground, tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    """The same, many times."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    for _ in range(20):
        cut_at_random(many_threads, tmp_path, chance)
    count(request, "power cuts", f"at random, seed {seed}", 20, 20)


def test_what_was_reported_survives(update: Ground, tmp_path: Path) -> None:
    """When the command has said that it published, a cut right after does not undo it."""
    cut_at_the_end(update, tmp_path)
