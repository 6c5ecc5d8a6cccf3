"""Damage that the upstream can't mend now: nobody is served it, it is told, and it is mended when it can be."""

import functools
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.closed import check_tree
from support.damage import (
    AMD,
    ARM,
    INDEX,
    LIST,
    ORPHAN,
    PINNED,
    SBOM,
    Damage,
    delete,
    exchange_bytes,
    flip,
    seen,
    truncate,
)
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer
from support.verifying import about, repaired, verified

from mirrord.config.loader import load
from mirrord.demo.images import signature
from mirrord.errors import Owner
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.retention import Retention
from mirrord.store.store import open_store
from mirrord.store.suspects import Suspects
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Status

APP, DOCKER = f"{HOST}/app", f"{HOST}/deep/docker"
SIGNATURE = signature(INDEX)
LOSSES: Mapping[str, tuple[str, Digest, str]] = {
    "a layer": (APP, AMD.manifest.layers[1].digest, f"{APP}:1"),
    "a config": (APP, Digest.of(AMD.blobs[0]), f"{APP}:1"),
    "a manifest": (APP, AMD.digest, f"{APP}:1"),
    "an index": (APP, INDEX.digest, f"{APP}:1"),
    "a manifest that is pinned": (APP, PINNED.digest, f"{APP}@{PINNED.digest}"),
    "a layer of what is pinned": (APP, PINNED.manifest.layers[0].digest, f"{APP}@{PINNED.digest}"),
    "a referrer": (APP, SBOM.digest, f"{APP}@{INDEX.digest}"),
    "a signature's blob": (APP, SIGNATURE.manifest.layers[0].digest, f"{APP}:"),
    "a Docker list": (DOCKER, LIST.digest, f"{DOCKER}:same"),
}


def paths_of(layout: Layout, repository: str, digest: Digest) -> list[Path]:
    """Every name of a digest: the pool's and the repository's."""
    found = [layout.pooled(digest), layout.blob(repository, digest)]
    found += [path for path in layout.manifests(repository).iterdir() if path.name.startswith(f"{digest}.")]
    return [path for path in found if path.exists()]


@pytest.mark.parametrize("damage", [flip, truncate, delete])
@pytest.mark.parametrize("what", LOSSES)
async def test_what_the_upstream_lacks_is_told_and_served_to_nobody(
    copy: tuple[Mirror, Scripted], what: str, damage: Damage
) -> None:
    """True wins: wrong bytes are out of reach, tags stay, the report names the image; a later sync mends it all."""
    mirror, upstream = copy
    repository, digest, image = LOSSES[what]
    before, tags = seen(mirror.root), Tree(mirror.layout).tags(repository)
    paths = paths_of(mirror.layout, repository, digest)
    assert len(paths) == 2
    for path in paths if damage is delete else paths[:1]:
        damage(path)
    upstream.when(str(digest), then=answer(404))
    repair = await repaired(mirror)
    found = about(repair.left, paths[1], mirror.root)
    assert [each for each in found if any(name.startswith(image) for name in each.named_by)]
    assert {problem.error.owner for problem in repair.problems} == {Owner.UPSTREAM}
    assert all(str(digest) in str(problem.error) for problem in repair.problems)
    tree = Tree(mirror.layout)
    assert tree.by_digest(repository, digest) is None
    assert tree.blob(repository, digest) is None
    assert tree.tags(repository) == tags
    assert Suspects.load(mirror.layout).incomplete
    upstream.stop_playing()
    await mirror.sync()
    assert (await verified(mirror.root)).findings == ()
    assert seen(mirror.root) == before
    async with open_store(mirror.root, command="test", threads=1, reserve=load(mirror.config).reserve) as store:
        assert not store.suspects
    assert not (mirror.layout.state / "suspects.json").exists()


async def test_an_image_without_a_blob_is_completed_by_a_sync_that_asks_for_nothing_else(
    copy: tuple[Mirror, Scripted],
) -> None:
    """STORAGE hole 12: after a partial repair the manifest is there, and a sync, dry or not, knows it is not whole."""
    mirror, upstream = copy
    digest = AMD.manifest.layers[1].digest
    flip(mirror.layout.pooled(digest))
    upstream.when(str(digest), then=answer(500))
    assert (await repaired(mirror)).left
    upstream.stop_playing()
    assert (await foreseen(mirror))["app:1"] is Status.COMPLETED
    upstream.forget_requests()
    report = await mirror.sync()
    assert by_name(report)["app:1"] is Status.COMPLETED
    assert [asked.path for asked in upstream.requests if "/blobs/" in asked.path] == [f"/v2/app/blobs/{digest}"]
    assert report.snapshots == ()
    assert (await foreseen(mirror))["app:1"] is Status.UNCHANGED
    check_tree(mirror.root)


async def test_other_bytes_from_the_upstream_are_not_taken(copy: tuple[Mirror, Scripted]) -> None:
    """An upstream whose own copy is damaged mends nothing: the mirror has the right bytes or none."""
    mirror, upstream = copy
    digest = AMD.manifest.layers[1].digest
    truncate(mirror.layout.pooled(digest))
    upstream.when(str(digest), then=answer(200, b"something else"))
    repair = await repaired(mirror)
    assert {problem.error.owner for problem in repair.problems} == {Owner.UPSTREAM}
    assert Tree(mirror.layout).blob(APP, digest) is None


async def test_the_last_copy_is_kept_for_a_week(copy: tuple[Mirror, Scripted]) -> None:
    """What nothing replaces lies in quarantine, out of reach, over the next starts; what is mended does not."""
    mirror, upstream = copy
    one, two = AMD.manifest.layers[1].digest, ARM.manifest.layers[0].digest
    exchange_bytes(mirror.layout.pooled(one), mirror.layout.pooled(two))
    upstream.when(str(one), then=answer(404))
    await repaired(mirror)
    kept = {path.name.rpartition(".")[0] for path in mirror.layout.quarantine.iterdir()}
    assert kept == {str(one)}
    await mirror.command("gc")
    assert mirror.layout.quarantine.is_dir()
    upstream.stop_playing()
    assert (await repaired(mirror)).left == ()
    assert not list(mirror.layout.quarantine.iterdir())


async def test_a_collection_keeps_what_a_lost_manifest_may_name(copy: tuple[Mirror, Scripted]) -> None:
    """GC fails closed: the layers of a manifest that was lost stay, and it is whole as soon as it comes back itself."""
    mirror, upstream = copy
    before = seen(mirror.root)
    flip(mirror.layout.pooled(PINNED.digest))
    upstream.when(str(PINNED.digest), then=answer(404))
    await repaired(mirror)
    async with open_store(mirror.root, command="gc", threads=1, reserve=load(mirror.config).reserve) as store:
        for later in (1e6, 2e6):
            await store.collect(Retention(), is_dry=False, clock=functools.partial(sum, (time.time(), later)))
    upstream.stop_playing()
    upstream.when("/blobs/", then=answer(404))
    report = await mirror.sync()
    assert not report.has_failed
    orphan = str(mirror.layout.pooled(Digest.of(ORPHAN)).relative_to(mirror.root))
    assert seen(mirror.root) == {path: each for path, each in before.items() if path != orphan}


async def test_a_repair_that_died_is_taken_up_by_the_next_start(copy: tuple[Mirror, Scripted]) -> None:
    """A kill after the list was written and before anything was done: the next sync trusts nothing that it names."""
    mirror, _ = copy
    before = seen(mirror.root)
    digest = AMD.manifest.layers[1].digest
    flip(mirror.layout.pooled(digest))
    Suspects(frozenset({digest}), frozenset({(APP, AMD.digest)})).save(mirror.layout)
    report = await mirror.sync()
    assert by_name(report)["app:1"] is Status.COMPLETED
    assert (await verified(mirror.root)).findings == ()
    assert seen(mirror.root) == before


async def foreseen(mirror: Mirror) -> Mapping[str, Status]:
    """What a sync would do."""
    done = await mirror.command("sync", "--dry-run", "--json")
    return {each["name"].removeprefix(f"{HOST}/"): Status(each["status"]) for each in done.document["images"]}
