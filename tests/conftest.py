"""Servers that tests share: one of each for a worker process."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from support.counts import told
from support.docker_registry import DockerRegistry, running_registry

settings.register_profile("untimed", deadline=None)  # a busy machine says nothing about the code
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A real docker-registry, open to everybody; each test pushes to repositories of its own."""
    with running_registry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the tests that passed have counted."""
    lines = told([each for each in terminalreporter.getreports("passed") if each.when == "call"])
    if lines:
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
