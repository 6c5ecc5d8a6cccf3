"""A scripted upstream, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.certificate import make_certificate, proving
from support.registries import APP, Connect, registries_of
from support.scripted import Scripted

from mirrord.config.model import Limits
from mirrord.oci.reference import Repository
from mirrord.registry import tap
from mirrord.registry.client import Registries

OVER_TLS = "from the socket, over TLS"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key beside it."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def upstream(request: pytest.FixtureRequest, certificate: Path) -> AsyncIterator[Scripted]:
    """A registry on a free port, open to everybody; over TLS where bodies are to be read so."""
    running = Scripted()
    async with running.served(tls=proving(certificate) if is_sealed(request) else None):
        yield running


@pytest.fixture
async def connect(request: pytest.FixtureRequest, certificate: Path) -> AsyncIterator[Connect]:
    """Makes clients, which are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(upstream: Scripted, limits: Limits | None = None, **keys: object) -> Registries:
            trusted = {"ca_file": str(certificate)} if is_sealed(request) else {}
            registries = registries_of(upstream, limits, **trusted, **keys)
            stack.push_async_exit(registries)
            return registries

        yield make


def is_sealed(request: pytest.FixtureRequest) -> bool:
    """Whether a test reads bodies over TLS."""
    return "way_of_reading" in request.fixturenames and request.getfixturevalue("way_of_reading") == OVER_TLS


@pytest.fixture(params=["by aiohttp", "from the socket", OVER_TLS])
def way_of_reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways in which a body is read, whatever its length."""
    monkeypatch.setattr(tap, "LEAST", 1 << 40 if request.param == "by aiohttp" else 1)
    return str(request.param)


@pytest.fixture
def app() -> Repository:
    """The repository that most tests ask about."""
    return APP
