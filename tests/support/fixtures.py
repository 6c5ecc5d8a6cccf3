"""Fixtures that several folders of tests take: an upstream that can misbehave, and a mirror of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.mirror import Mirror
from support.scripted import Scripted


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """A registry on a free port, open to everybody."""
    async with Scripted.running() as running:
        yield running


@pytest.fixture
def mirror(tmp_path: Path, upstream: Scripted) -> Mirror:
    """A mirror of ``upstream``, with nothing in it yet."""
    return Mirror(tmp_path, upstream.url)
