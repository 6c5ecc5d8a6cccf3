"""Blobs that several images want: each comes once, however their looks and downloads follow one another."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.registries import APP, registries_of
from support.scripted import Scripted

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.store.root import create
from mirrord.store.store import open_store
from mirrord.sync import transfer
from mirrord.sync.outcome import Progress
from mirrord.sync.transfer import Transfer

BUILT = image("shared")


@pytest.fixture
def progress() -> Progress:
    """What the run counts."""
    return Progress()


@pytest.fixture
async def bringing(upstream: Scripted, tmp_path: Path, progress: Progress) -> AsyncIterator[Transfer]:
    """The transfer of a run whose pool is empty, and whose upstream has one image."""
    upstream.push(APP.path, BUILT, "1")
    create(tmp_path / "root")
    async with (
        registries_of(upstream) as registries,
        open_store(tmp_path / "root", command="test", threads=1, reserve=Reserve(size=0)) as store,
    ):
        yield Transfer(registries, store, progress)


async def test_a_blob_that_came_since_it_was_looked_for_does_not_come_again(
    upstream: Scripted, bringing: Transfer, progress: Progress
) -> None:
    """An image that saw the pool without a blob finds it there when another image has brought it meanwhile."""
    blob, looked = BUILT.manifest.blobs[0], bringing.landed
    assert await bringing.bring(APP, blob, looked) == BUILT.blobs[0]
    assert await bringing.bring(APP, blob, looked) is None
    assert (upstream.asked("blobs"), progress.blobs_linked) == (1, 1)


async def test_who_looked_long_ago_looks_again(
    upstream: Scripted, bringing: Transfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more came since than is remembered, the pool is asked."""
    monkeypatch.setattr(transfer, "REMEMBERED", 1)
    for blob in (*BUILT.manifest.blobs, BUILT.manifest.blobs[0]):
        await bringing.bring(APP, blob, 0)
    assert upstream.asked("blobs") == len(BUILT.manifest.blobs)
