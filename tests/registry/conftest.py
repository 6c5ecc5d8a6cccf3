"""A scripted upstream, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from support.registries import APP, Connect, registries_of
from support.scripted import Scripted

from mirrord.config.model import Limits
from mirrord.oci.reference import Repository
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


@pytest.fixture
def app() -> Repository:
    """The repository that most tests ask about."""
    return APP
