"""Commands that are run many times, and how much is fuzzed: a long run makes many times as many examples."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.counts import count
from support.warm import Warm

_SHORT, _LONG = 100, 20_000
"""Examples of each test, and in a long run."""
_HARMLESS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


def pytest_configure(config: pytest.Config) -> None:
    """Tell what the mark means, and choose how many examples are made."""
    config.addinivalue_line("markers", "fuzz(what): makes examples of what; a long run makes many more")
    examples = _LONG if _is_long(config) else _SHORT
    settings.register_profile("fuzz", max_examples=examples, deadline=None, suppress_health_check=_HARMLESS)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is fuzzed belongs to a long run too."""
    if item.get_closest_marker("fuzz") and _is_long(item.config):
        item.add_marker("soak")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count the examples of a test that is fuzzed."""
    yield
    mark = item.get_closest_marker("fuzz")
    if mark and isinstance(item, pytest.Function):
        told = getattr(item, "hypothesis_statistics", "")
        done = sum(map(int, re.findall(r"(\d+) passing", told)))
        count(item._request, "fuzz cases", mark.args[0], done, done)  # noqa: SLF001 - a hook has no fixture


def _is_long(config: pytest.Config) -> bool:
    return str(config.option.markexpr) == "soak"


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Whoever runs the commands of this worker's tests."""
    with Warm.running() as running:
        yield running
