"""Roots with something to collect, and whoever runs the commands."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.fixtures import mirror, upstream
from support.model import Keeper, keeping
from support.warm import Warm

__all__ = ["keeper", "mirror", "upstream", "warm"]


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    """A fresh root, held."""
    async with keeping(tmp_path / "root") as held:
        yield held


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running
