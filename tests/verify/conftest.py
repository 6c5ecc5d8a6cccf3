"""A tree of some 200 files, made once for a worker process, and copies of it to damage."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from support.damage import Model, build, copied
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.demo.upstream import Held


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tree that others are copied from."""
    place, made = tmp_path_factory.mktemp("model"), list[Mapping[str, Held]]()
    thread = threading.Thread(target=lambda: made.append(asyncio.run(build(place))))  # another loop may be set here
    thread.start()
    thread.join()
    return Model(place, made[0])


@pytest.fixture
async def copy(model: Model, tmp_path: Path) -> AsyncIterator[tuple[Mirror, Scripted]]:
    """A copy, and an upstream that has all of it."""
    async with copied(model.place, tmp_path, model.held) as both:
        yield both
