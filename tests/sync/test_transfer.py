"""Blobs that several images want: each comes once, however their looks and downloads follow one another."""

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


async def test_a_blob_that_came_since_it_was_looked_for_does_not_come_again(upstream: Scripted, tmp_path: Path) -> None:
    """An image that saw the pool without a blob finds it there when another image has brought it meanwhile."""
    built = image("shared")
    upstream.push(APP.path, built, "1")
    create(tmp_path / "root")
    async with (
        registries_of(upstream) as registries,
        open_store(tmp_path / "root", command="test", threads=1, reserve=Reserve(size=0)) as store,
    ):
        progress = Progress()
        bringing = Transfer(registries, store, progress)
        looked = bringing.landed
        assert await bringing.bring(APP, built.manifest.blobs[0], looked) == built.blobs[0]
        assert await bringing.bring(APP, built.manifest.blobs[0], looked) is None
        assert (upstream.asked("blobs"), progress.blobs_linked) == (1, 1)


async def test_who_looked_long_ago_looks_again(
    upstream: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more came since than is remembered, the pool is asked."""
    monkeypatch.setattr(transfer, "REMEMBERED", 1)
    built = image("shared")
    upstream.push(APP.path, built, "1")
    create(tmp_path / "root")
    async with (
        registries_of(upstream) as registries,
        open_store(tmp_path / "root", command="test", threads=1, reserve=Reserve(size=0)) as store,
    ):
        bringing = Transfer(registries, store, Progress())
        for blob in (*built.manifest.blobs, built.manifest.blobs[0]):
            await bringing.bring(APP, blob, 0)
        assert upstream.asked("blobs") == len(built.manifest.blobs)
