"""A scripted upstream, and clients of it that don't wait long between attempts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from support.scripted import Scripted

from mirrord.config.model import Limits, RegistryConfig
from mirrord.oci.reference import Repository
from mirrord.registry.backoff import Backoff
from mirrord.registry.client import Registries

HOST = "registry.test"
APP = Repository(HOST, "team/app")

Connect = Callable[..., Registries]


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """A registry on a free port, open to everybody."""
    async with Scripted.running() as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients: ``connect(upstream, limits, **keys of the registry's config)``; closed at the end."""
    async with AsyncExitStack() as stack:

        def make(upstream: Scripted, limits: Limits | None = None, **keys: object) -> Registries:
            config = RegistryConfig.model_validate({"endpoint": (upstream.url,), **keys})
            registries = Registries({HOST: config}, limits or Limits(), Backoff(0.001, 0.002))
            stack.push_async_exit(registries)
            return registries

        yield make


@pytest.fixture
def app() -> Repository:
    """The repository most tests ask about; its host stands for the upstream by ``endpoint``."""
    return APP
