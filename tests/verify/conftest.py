"""A tree of some 200 files, made once for a worker process, and copies of it to damage: in memory, where there is some.

A verification asks the disk for each byte; hundreds of them on a busy disk would take minutes.
"""

import asyncio
import os
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from support.damage import Model, build, copied, seen
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.demo.upstream import Held

_MEMORY = "/dev/shm"  # noqa: S108 - a private directory is made in it


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the test's own."""
    name = tempfile.mkdtemp(prefix="mirrord-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
    try:
        yield Path(name)
    finally:
        subprocess.run(["rm", "-rf", name], check=True)  # several times as fast as Python


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tree that others are copied from."""
    place, made = tmp_path_factory.mktemp("model"), list[Mapping[str, Held]]()
    thread = threading.Thread(target=lambda: made.append(asyncio.run(build(place))))  # another loop may be set here
    thread.start()
    thread.join()
    return Model(place, made[0], seen(place / "mirror"))


@pytest.fixture
async def copy(model: Model, place: Path) -> AsyncIterator[tuple[Mirror, Scripted]]:
    """A copy, and an upstream that has all of it."""
    async with copied(model.place, place, model.held) as both:
        yield both
