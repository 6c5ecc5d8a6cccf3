"""Commands that are run many times, and how much is fuzzed."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.warm import Warm

_LONG = 50
"""How many times as many examples a long run makes."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """A long run runs what is fuzzed too, with many times as many examples."""
    if item.get_closest_marker("fuzz") and "not soak" not in item.config.option.markexpr:
        item.add_marker("soak")


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Choose how many examples are made."""


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running
