"""Collections that look only at what is another since the last one: they find what those find that look at all."""

import asyncio
from pathlib import Path

from support.model import HOUR, SOON, Keeper

from mirrord.demo.images import image
from mirrord.oci.digest import Digest
from mirrord.store.collect import Collected

A, B = image("a"), image("b")
DAY = 24 * HOUR


def taken(found: Collected) -> dict[str, int]:
    """How many of each level went."""
    return {str(level): number for level, number in found.counts.items()}


def manifest_of(keeper: Keeper, repository: str) -> Path:
    """The one manifest of a repository."""
    (found,) = keeper.layout.manifests(repository).iterdir()
    return found


async def test_nothing_is_read_where_nothing_changed(keeper: Keeper) -> None:
    """A manifest damaged in place is doubted as soon as its repository is looked at again; until then nothing goes."""
    await keeper.serve({"app": {"1": A}, "other": {"1": B}})
    assert (await keeper.collect()).doubts == []
    path = manifest_of(keeper, "app")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"{", b"[", 1))
    found = await keeper.collect()
    assert (taken(found), found.doubts) == ({}, [])
    (keeper.layout.blobs("app") / "stray").write_text("x")
    (doubt,) = (await keeper.collect()).doubts
    assert str(path) in doubt


async def test_a_lost_blob_is_seen_and_its_copy_in_the_pool_stays(keeper: Keeper) -> None:
    """A repository that lost a link is another: what it lacks is kept in the pool, however old, for who mends it."""
    await keeper.serve({"app": {"1": A}})
    await keeper.collect()
    lost = Digest.of(next(content for content in A.contents() if Digest.of(content) != A.digest))
    (keeper.layout.blobs("app") / str(lost)).unlink()
    keeper.clock.ahead = 3 * DAY
    assert taken(await keeper.collect()) == {}
    assert keeper.layout.pooled(lost).exists()


async def test_a_link_that_went_unseen_is_found_a_day_later(keeper: Keeper) -> None:
    """Whoever unlinks a file beside the collections: within a day the pool is looked through for what has no link."""
    await keeper.serve({"app": {"1": A}, "other": {"1": B}})
    keeper.clock.ahead = HOUR
    await keeper.collect()
    for path in (*keeper.layout.manifests("other").iterdir(), *keeper.layout.blobs("other").iterdir()):
        path.unlink()
    await keeper.serve({"other": {"1": None}})
    keeper.clock.ahead += 2 * HOUR
    await keeper.collect()
    keeper.clock.ahead += DAY
    gone = {*map(Digest.of, B.contents()), *(manifest.digest for manifest in B.manifests())}
    assert taken(await keeper.collect()) == {"pool file": len(gone)}


async def test_the_one_collection_of_a_command_remembers_no_manifest(keeper: Keeper) -> None:
    """Nobody would ask again: only from the second on is what is read kept for the next."""
    seen = keeper.store.seen
    await keeper.serve({"app": {"1": A}})
    await asyncio.sleep(0.1)  # what was written just now is not remembered yet
    await keeper.collect()
    assert (seen.generations.weight, seen.manifests.weight) == (0, 0)
    (keeper.layout.blobs("app") / f"sha256:{64 * '0'}").write_text("x")
    await keeper.collect()
    assert seen.generations.weight > 0
    assert seen.manifests.weight > 0


async def test_what_was_deleted_is_not_remembered(keeper: Keeper) -> None:
    """What a process remembers is as large as what is there, not as what ever was."""
    seen, weights = keeper.store.seen, []
    for number in range(6):
        await keeper.serve({"app": {"1": image(f"number {number}")}})
        await asyncio.sleep(0.1)  # what was written just now is not remembered yet
        await keeper.collect()
        keeper.clock.ahead += 3 * HOUR
        await keeper.collect()
        weights.append((seen.snapshots.weight, seen.generations.weight, seen.manifests.weight))
    assert weights[-1] == weights[-2]
    assert all(weights[-1])


async def test_a_clock_of_ones_own_dates_snapshots_and_lets_them_go(keeper: Keeper) -> None:
    """The store goes by one clock: what it publishes by it grows old by it, whatever the host's says."""
    store = keeper.store
    past = store.now().replace(year=2020)
    store.now = lambda: past
    await keeper.serve({"app": {"1": A}})
    served = (await keeper.serve({"app": {"1": B}})).publication
    assert served is not None
    assert f"-{past:%Y%m%dT%H%M%SZ}" in served.snapshot
    assert taken(await store.collect(SOON, is_dry=True)) == {}
    store.now = lambda: past.replace(year=2021)
    assert taken(await store.collect(SOON, is_dry=True))["snapshot"] == 1
