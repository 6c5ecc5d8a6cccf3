"""Mirrors on their way from one state to the next, for runs that are killed, hindered and cut off."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.crash import Ground
from support.mirror import Mirror
from support.paced import Paced
from support.states import World
from support.undisturbed import Undisturbed
from support.warm import Warm

LIMITS = "{attempts: 1, concurrency: 1}"
"""One request at a time and one thread for the disk, so that each run makes the same calls in the same order."""
_MEMORY = "/dev/shm"  # noqa: S108 - a private directory is made in it


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A directory in memory, where that can be had: kills and errors don't ask what is durable."""
    with tempfile.TemporaryDirectory(prefix="mirrord-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as made:
        yield Path(made)


def _ground(place: Path, warm: Warm, world: World, limits: str = LIMITS) -> Iterator[Ground]:
    upstream = Paced()
    place.mkdir()
    with upstream.in_background():
        ground = Ground(Mirror(place, upstream.url, limits), upstream, warm, world)
        ground.prepare()
        yield ground


@pytest.fixture(scope="session")
def update(warm: Warm, place: Path) -> Iterator[Ground]:
    """A run that adds, changes and removes images of every kind; each test begins with ``fresh()``."""
    yield from _ground(place / "update", warm, World.of("update"))


@pytest.fixture(scope="session")
def first(warm: Warm, place: Path) -> Iterator[Ground]:
    """The first run of all: it makes the root too."""
    yield from _ground(place / "first", warm, World.of("first").first())


@pytest.fixture(scope="session")
def many_threads(warm: Warm, place: Path) -> Iterator[Ground]:
    """The run ``update`` as it usually is: many requests and many threads at once."""
    yield from _ground(place / "threads", warm, World.of("threads"), "{attempts: 1}")


@pytest.fixture(scope="session")
def of_update(update: Ground, place: Path) -> Undisturbed:
    """The calls of the run ``update`` when nothing disturbs it."""
    return Undisturbed.of(update, place / "trace")


@pytest.fixture(scope="session")
def of_first(first: Ground, place: Path) -> Undisturbed:
    """The calls of the run ``first`` when nothing disturbs it."""
    return Undisturbed.of(first, place / "trace")
