"""A browser, and mirrors to look at with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import WIDE, Browser, chromium
from support.readers import embedded
from support.shown import crowded, troubled
from support.tree import ScratchTree


@pytest.fixture(scope="session")
def running_browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(running_browser: Browser) -> Iterator[Browser]:
    """The same, on a wide light screen; whatever the test did, the page broke none of its own rules."""
    running_browser.resize(WIDE)
    running_browser.shade("light")
    running_browser.events()
    running_browser.complaints()
    yield running_browser
    assert running_browser.run("return window.violations") == []
    assert running_browser.run("return window.alerts") == 0
    assert running_browser.complaints() == []


def _served(root: Path, place: Path) -> Iterator[str]:
    with embedded(place, "--root", str(root)) as serving:
        yield serving.server.url


@pytest.fixture(scope="session")
def troubled_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mirror with an image of each state."""
    place = tmp_path_factory.mktemp("troubled")
    yield from _served(troubled(place / "root").root, place)


@pytest.fixture(scope="session")
def silent_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, by a config that keeps its status to itself."""
    place = tmp_path_factory.mktemp("silent")
    config = place / "mirrord.yaml"
    config.write_text(f"root: {troubled(place / 'root').root}\nserve: {{status: false}}\nimages: [app]\n")
    with embedded(place, "--config", str(config)) as serving:
        yield serving.server.url


@pytest.fixture(scope="session")
def crowded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mirror with five thousand tags."""
    place = tmp_path_factory.mktemp("crowded")
    yield from _served(crowded(place / "root").root, place)


@pytest.fixture(scope="session")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mirror of nothing yet."""
    place = tmp_path_factory.mktemp("empty")
    yield from _served(ScratchTree(place / "root").root, place)
