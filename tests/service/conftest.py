"""An upstream, a mirror of it, and whoever runs the commands."""

from collections.abc import Iterator

import pytest
from support.fixtures import mirror, upstream
from support.warm import Warm

__all__ = ["mirror", "upstream", "warm"]


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running
