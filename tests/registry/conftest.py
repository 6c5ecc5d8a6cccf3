"""A scripted upstream, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from support.registries import APP, Connect, registries_of
from support.scripted import Scripted

from mirrord.config.model import Limits
from mirrord.oci.reference import Repository
from mirrord.registry import tap
from mirrord.registry.client import Registries


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """A registry on a free port, open to everybody."""
    async with Scripted.running() as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients, which are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(upstream: Scripted, limits: Limits | None = None, **keys: object) -> Registries:
            registries = registries_of(upstream, limits, **keys)
            stack.push_async_exit(registries)
            return registries

        yield make


@pytest.fixture(params=["by aiohttp", "from the socket"])
def way_of_reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in which a body is read, whatever its length."""
    monkeypatch.setattr(tap, "LEAST", 1 if request.param == "from the socket" else 1 << 40)
    return str(request.param)


@pytest.fixture
def app() -> Repository:
    """The repository that most tests ask about."""
    return APP
