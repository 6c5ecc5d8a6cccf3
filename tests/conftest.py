"""Servers that tests share: one of each for a worker process."""

from collections.abc import Iterator

import pytest
from support.docker_registry import DockerRegistry, running_registry


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A real docker-registry, open to everybody; each test pushes to repositories of its own."""
    with running_registry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry
