"""A mirror on its way from one state to the next, for runs that are killed, hindered and cut off."""

from collections.abc import Iterator

import pytest
from support.crash import Ground, World
from support.mirror import Mirror
from support.paced import Paced
from support.warm import Warm

LIMITS = "{attempts: 1, concurrency: 1}"
"""One request at a time and one thread for the disk, so that each run makes the same calls in the same order."""


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running


@pytest.fixture(scope="session")
def ground(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One ground for all tests of this worker: each begins with ``ground.fresh()``."""
    upstream = Paced()
    with upstream.in_background():
        ground = Ground(Mirror(tmp_path_factory.mktemp("crash"), upstream.url, LIMITS), upstream, warm, World.of("w"))
        ground.prepare()
        yield ground
