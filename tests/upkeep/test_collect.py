"""Garbage collection level by level: what goes, when, and what stays for whom. Holes are the storage protocol's."""

import asyncio
import os
from pathlib import Path

import pytest
from support.closed import check_tree
from support.model import HOUR, MINUTE, SOON, Keeper, edit_json, keeping, names_below, stamps

from mirrord.demo.images import ARM64, BuiltImage, artifact, image, index, layer
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.collect import Collected, Level
from mirrord.store.garbage import Present, unnamed_manifests
from mirrord.store.hold import write_pins
from mirrord.store.retention import Retention
from mirrord.store.snapshot import Reason

A, B, C = (image(name) for name in "abc")


def taken(found: Collected) -> dict[str, int]:
    """How many of each level went."""
    return {str(level): number for level, number in found.counts.items()}


def has(keeper: Keeper, repository: str, built: BuiltImage) -> bool:
    """Whether a repository has an image's manifest and all its blobs; fails where it has but a part of them."""
    manifest = keeper.layout.manifest(repository, built.digest, built.manifest.kind).exists()
    blobs = {keeper.layout.blob(repository, Digest.of(content)).exists() for content in built.contents()}
    assert blobs == {manifest}
    return manifest


def pooled(keeper: Keeper, built: BuiltImage) -> set[bool]:
    """Whether the pool has an image's blobs."""
    return {keeper.layout.pooled(Digest.of(content)).exists() for content in built.contents()}


async def test_levels_go_one_after_another_each_after_its_grace(keeper: Keeper) -> None:
    """STORAGE holes 3 and 11: a snapshot goes a grace after its successor came, what only it named a grace later."""
    await keeper.serve({"app": {"1": A}})
    await keeper.serve({"app": {"1": B}})
    keeper.clock.ahead = 59
    assert taken(await keeper.collect()) == {}
    keeper.clock.ahead = 70
    found = await keeper.collect()
    assert taken(found) == {"snapshot": 1, "generation": 1}
    assert found.waiting == 1
    assert has(keeper, "app", A)
    keeper.clock.ahead = 125
    assert taken(await keeper.collect()) == {}
    keeper.clock.ahead = 140
    found = await keeper.collect()
    assert {"manifest": 1, "blob": 2}.items() <= taken(found).items()
    assert not has(keeper, "app", A)
    assert has(keeper, "app", B)
    check_tree(keeper.layout.root)


async def test_an_old_file_is_not_an_old_garbage(keeper: Keeper) -> None:
    """STORAGE hole 3: content of last year that is dropped now has its whole grace: no inode's time says since when."""
    await keeper.serve({"app": {"1": A}})
    for path in keeper.layout.root.rglob("sha256:*"):
        os.utime(path, (0, 0))
    await keeper.serve({"app": {"1": B}})
    keeper.clock.ahead = 70
    assert taken(await keeper.collect()) == {"snapshot": 1, "generation": 1}
    assert has(keeper, "app", A)


async def test_a_pool_file_goes_a_grace_after_its_last_link_went(keeper: Keeper) -> None:
    """STORAGE hole 3: only in the pool the inode's ctime is right, for it is when the last link went."""
    await keeper.serve({"app": {"1": A}, "other": {"1": B}})
    keeper.clock.ahead = HOUR
    await keeper.serve({"app": {"1": None}})
    for _ in range(2):
        keeper.clock.ahead += HOUR
        await keeper.collect()
    assert pooled(keeper, A) == {False}
    assert pooled(keeper, B) == {True}
    await keeper.put("app", A)
    for path in keeper.layout.blobs("app").iterdir():
        path.unlink()
    keeper.clock.ahead = 50
    await keeper.collect()
    assert pooled(keeper, A) == {True}


async def test_nothing_goes_before_the_floor(keeper: Keeper) -> None:
    """STORAGE hole 15: with a grace of 0, whatever a config said, nothing goes within a minute."""
    eager = Retention(keep_last=1, keep_daily=0, keep_weekly=0, grace=0)
    await keeper.serve({"app": {"1": A}})
    await keeper.serve({"app": {"1": B}})
    await keeper.put("app", C)
    await keeper.collect(eager)
    for seconds in (0, 20, 55):
        keeper.clock.ahead = seconds
        assert taken(await keeper.collect(eager)) == {}


async def test_shared_blobs_stay_for_who_names_them(keeper: Keeper) -> None:
    """A layer of two images in two repositories leaves the one whose image went, and stays for the other."""
    shared = layer("shared")
    one, two = image("one", layers=(shared,)), image("two", layers=(shared,))
    await keeper.serve({"one": {"1": one, "2": A}, "two": {"1": two}})
    await keeper.serve({"one": {"1": None}})
    await keeper.collect_all()
    digest = Digest.of(shared.content)
    assert not keeper.layout.blob("one", digest).exists()
    assert keeper.layout.blob("two", digest).stat().st_nlink == 2
    assert keeper.layout.pooled(digest).exists()
    assert has(keeper, "two", two)
    check_tree(keeper.layout.root)


async def test_a_shared_blob_stays_for_another_image_of_its_repository(keeper: Keeper) -> None:
    """STORAGE hole 11: blobs are marked from the manifests that are present, so that what stays is complete."""
    shared = layer("shared")
    one, two = image("one", layers=(shared, layer("own"))), image("two", layers=(shared,))
    await keeper.serve({"app": {"1": one, "2": two}})
    await keeper.serve({"app": {"1": None}})
    await keeper.collect_all()
    assert keeper.layout.blob("app", Digest.of(shared.content)).exists()
    assert not keeper.layout.blob("app", Digest.of(layer("own").content)).exists()
    check_tree(keeper.layout.root)


async def test_children_that_nobody_chose_stay_with_their_index(keeper: Keeper) -> None:
    """STORAGE hole 7: an index keeps every child that is present, recorded or not; an absent one is no damage."""
    amd, arm, absent = image("x"), image("x", platform=ARM64), image("elsewhere")
    whole = index(amd, arm, absent)
    await keeper.put("app", amd)
    await keeper.put("app", arm)
    assert await keeper.link("app", whole.manifest)
    record = await keeper.put("app", A)
    assert record.children == ()
    held = type(record)(whole.digest, whole.manifest.kind, 1, children=(amd.digest,))
    await keeper.store.publish([Change("app", Repository("r.test", "app"), {"1": held})], Reason("", ""))
    await keeper.collect_all()
    assert has(keeper, "app", amd)
    assert has(keeper, "app", arm)
    assert not has(keeper, "app", A)


async def test_an_index_within_an_index_keeps_all_below(keeper: Keeper) -> None:
    """Marking goes to any depth; when the outer index goes, all of it goes, and what a tag names stays."""
    inner = index(A, B)
    outer = index(inner, C)
    await keeper.serve({"app": {"1": outer, "2": A}})
    await keeper.collect_all()
    assert has(keeper, "app", B)
    await keeper.serve({"app": {"1": None}})
    await keeper.collect_all()
    assert names_below(keeper.layout.manifests("app")) == {f"{A.digest}.{A.manifest.kind}"}
    assert has(keeper, "app", A)


def test_an_index_goes_before_what_it_lists() -> None:
    """A kill in between leaves a child without its index, never an index without its child."""
    present = {}
    for number in range(9):
        child = image(f"{number}")
        whole = index(child)
        present[f"{child.digest}.{child.manifest.kind}"] = Present(
            str(child.digest), is_index=False, size=1, children=(), blobs={}, foreign=frozenset()
        )
        present[f"{whole.digest}.{whole.manifest.kind}"] = Present(
            str(whole.digest), is_index=True, size=1, children=(str(child.digest),), blobs={}, foreign=frozenset()
        )
    assert [present[name].is_index for name in unnamed_manifests(present, frozenset())] == [True] * 9 + [False] * 9


async def test_referrers_and_images_by_digest_stay(keeper: Keeper) -> None:
    """What a record lists as referrers, and what it keeps by digest alone, is named as by a tag."""
    statement = artifact("s", "application/vnd.test", A)
    held, pinned = await keeper.put("app", A), await keeper.put("app", B)
    await keeper.put("app", statement)
    entry = {"mediaType": statement.manifest.kind.media_type, "digest": str(statement.digest), "size": 1}
    change = Change(
        "app", Repository("r.test", "app"), {"1": held}, digests={B.digest: pinned}, referrers={A.digest: (entry,)}
    )
    await keeper.store.publish([change], Reason("", ""))
    await keeper.collect_all()
    assert [has(keeper, "app", each) for each in (A, B, statement)] == [True, True, True]


async def test_what_no_run_published_has_a_grace_from_when_it_is_found(keeper: Keeper) -> None:
    """STORAGE hole 3: content of a failed or held run gets a tombstone, is kept for its grace, and goes then."""
    await keeper.serve({"app": {"1": A}})
    await keeper.put("app", B)
    keeper.clock.ahead = 10 * HOUR
    found = await keeper.collect()
    assert (taken(found), found.waiting) == ({}, 1)
    keeper.clock.ahead += 59
    assert taken(await keeper.collect()) == {}
    keeper.clock.ahead += 2
    assert taken(await keeper.collect())["manifest"] == 1
    assert not has(keeper, "app", B)


async def test_what_is_named_again_loses_its_tombstone(keeper: Keeper) -> None:
    """A manifest that was garbage, was served again and dropped again has a grace of its own each time."""
    await keeper.serve({"app": {"1": A}})
    await keeper.put("app", B)
    await keeper.collect()
    await keeper.serve({"app": {"2": B}})
    keeper.clock.ahead = 10 * HOUR
    await keeper.collect()
    await keeper.serve({"app": {"2": None}})
    keeper.clock.ahead += HOUR
    found = await keeper.collect()
    assert (found.waiting, has(keeper, "app", B)) == (1, True)


async def test_what_was_collected_and_comes_back_has_its_whole_grace(keeper: Keeper) -> None:
    """STORAGE hole 13: what runs fetch again while a rollback holds must not be swept in each round."""
    await keeper.serve({"app": {"1": A}})
    await keeper.put("app", B)
    await keeper.collect()
    keeper.clock.ahead = HOUR
    assert taken(await keeper.collect())["manifest"] == 1
    await keeper.put("app", B)
    keeper.clock.ahead += 5
    found = await keeper.collect()
    assert (found.waiting, has(keeper, "app", B)) == (1, True)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"app": 3}', b'{"app": {"x": "y"}}', b"[[[["])
async def test_a_lost_list_of_tombstones_begins_the_grace_anew(keeper: Keeper, content: bytes | None) -> None:
    """STORAGE hole 3: without the list, or with one that can't be read, nothing is old."""
    await keeper.serve({"app": {"1": A}})
    await keeper.put("app", B)
    await keeper.collect()
    path = keeper.layout.state / "tombstones.json"
    path.unlink() if content is None else path.write_bytes(content)
    keeper.clock.ahead = HOUR
    found = await keeper.collect()
    assert (found.waiting, has(keeper, "app", B)) == (1, True)
    keeper.clock.ahead += HOUR
    await keeper.collect()
    assert not has(keeper, "app", B)


async def test_a_tombstone_of_the_future_begins_anew(keeper: Keeper) -> None:
    """STORAGE hole 14: a clock that was set back makes nothing old, and keeps nothing for ever."""
    await keeper.serve({"app": {"1": A}})
    await keeper.put("app", B)
    keeper.clock.ahead = 1000 * HOUR
    await keeper.collect()
    keeper.clock.ahead = HOUR
    await keeper.collect()
    keeper.clock.ahead += MINUTE + 1
    assert taken(await keeper.collect())["manifest"] == 1


async def test_a_repository_that_a_run_has_in_work_is_left_alone(keeper: Keeper) -> None:
    """STORAGE hole 4: a run may count what is present as complete: GC of its repository waits, of others goes on."""
    await keeper.serve({"app": {"1": A}, "other": {"1": A}})
    await keeper.put("app", B)
    await keeper.put("other", B)
    await keeper.collect()
    keeper.clock.ahead = HOUR
    async with keeper.store.repository_lock("app"), asyncio.timeout(60):
        found = await keeper.collect()
        assert found.skipped == ["app"]
        assert has(keeper, "app", B)
        assert not has(keeper, "other", B)
        assert await keeper.link("app", B.manifest)
        held = await keeper.put("app", B)
        await keeper.store.publish([Change("app", Repository("r.test", "app"), {"2": held})], Reason("", ""))
    keeper.clock.ahead += HOUR
    assert (await keeper.collect()).skipped == []
    check_tree(keeper.layout.root)


async def test_pinned_and_held_snapshots_protect_all_they_name(keeper: Keeper) -> None:
    """What a person keeps is whole: snapshot, generations, manifests, blobs; unpinned it goes like others."""
    first = (await keeper.serve({"app": {"1": A}, "gone": {"1": C}})).publication
    await keeper.serve({"app": {"1": B}, "gone": {"1": None}})
    assert first is not None
    write_pins(keeper.layout, frozenset({first.snapshot}))
    await keeper.collect_all()
    assert has(keeper, "app", A)
    assert has(keeper, "gone", C)
    write_pins(keeper.layout, frozenset())
    await keeper.collect_all()
    assert not has(keeper, "app", A)
    assert not (keeper.layout.content / "gone").exists()


async def test_an_emptied_repository_is_pruned_and_made_again(keeper: Keeper) -> None:
    """STORAGE hole 25: empty directories go, up to the first that is not; a later sync makes them again."""
    await keeper.serve({"team/a": {"1": A}, "team/deep/b": {"1": B}, "x": {"1": C}})
    await keeper.serve({"team/a": {"1": None}, "team/deep/b": {"1": None}})
    await keeper.collect_all()
    assert os.listdir(keeper.layout.content) == ["x"]
    assert os.listdir(keeper.layout.generations) == ["x"]
    await keeper.serve({"team/deep/b": {"1": B}})
    assert has(keeper, "team/deep/b", B)
    check_tree(keeper.layout.root)


async def test_everything_but_what_is_served_goes_in_the_end(keeper: Keeper) -> None:
    """Nothing leaks: after many publications and failed runs, disk holds what the one snapshot left names."""
    for number in range(12):
        changes = {f"r{number % 3}": {"1": image(f"n{number}"), f"t{number % 4}": image(f"m{number % 5}")}}
        await keeper.serve(changes)
        await keeper.put(f"r{number % 4}", image(f"lost {number}"))
    await keeper.collect_all()
    tree, layout = keeper.store.tree, keeper.layout
    assert len(os.listdir(layout.snapshots)) == 1
    assert sum(1 for _ in layout.generations.glob("*/*")) == len(tree.repositories()) == 3
    assert sorted(os.listdir(layout.content)) == ["r0", "r1", "r2"]
    for name in tree.repositories():
        record = tree.record(name)
        assert record is not None
        digests = {held.digest for held in record.tags.values()}
        assert len(os.listdir(layout.manifests(name))) == len(digests)
        assert len(os.listdir(layout.blobs(name))) == 2 * len(digests)
    inodes = {path.stat().st_ino for path in layout.content.rglob("*") if path.is_file()}
    assert len(names_below(layout.root / "pool")) == len(inodes)
    check_tree(layout.root)


async def test_a_dry_run_changes_nothing_and_says_what_the_real_one_deletes(keeper: Keeper) -> None:
    """`--dry-run` at each stage: no inode, link or time differs after it, and the same victims go then."""
    await keeper.serve({"app": {"1": A, "2": B}, "gone": {"1": C}})
    await keeper.serve({"app": {"1": C}, "gone": {"1": None}})
    await keeper.put("app", image("lost"))
    await keeper.store.add_small(Digest.of(b"never linked"), b"never linked")
    (keeper.layout.generations / "app" / "stranger").touch()
    levels: set[Level] = set()
    for ahead in (0, HOUR, 2 * HOUR, 3 * HOUR):
        keeper.clock.ahead = ahead
        before = stamps(keeper.layout.root)
        dry = await keeper.collect(is_dry=True)
        assert stamps(keeper.layout.root) == before
        real = await keeper.collect()
        emptied = {each.name for each in real.victims if each.level is Level.BLOB}
        victims = [each for each in real.victims if each.level is not Level.POOL or not emptied]  # by a clock ahead
        assert [each for each in dry.victims if each.level is not Level.POOL or not emptied] == victims
        assert (dry.waiting, dry.doubts) == (real.waiting, real.doubts)
        levels |= dry.counts.keys()
    assert levels == set(Level)
    assert real.freed == 0


async def test_trash_of_another_collection_is_not_ones_own_to_empty(keeper: Keeper) -> None:
    """STORAGE hole 5: two collections at once each remove only what they made durably gone themselves."""
    (keeper.layout.trash / "another's").mkdir()
    await keeper.serve({"app": {"1": A}})
    await keeper.serve({"app": {"1": B}})
    await keeper.collect_all()
    assert os.listdir(keeper.layout.trash) == ["another's"]


@pytest.mark.parametrize("grace", [SOON, Retention(1, 0, 0, 24 * HOUR)])
async def test_pool_files_of_a_killed_run_are_worth_keeping(tmp_path: Path, grace: Retention) -> None:
    """STORAGE hole 26: what a run killed at 90 % had fetched stays over a restart for its grace, then goes."""
    async with keeping(tmp_path / "root") as keeper:
        await keeper.serve({"app": {"1": A}})
        for content in B.contents():
            await keeper.store.add_small(Digest.of(content), content)
        (keeper.layout.staging / f"{C.digest}.part").write_bytes(b"partial")
    async with keeping(tmp_path / "root") as keeper:
        assert pooled(keeper, B) == {True}
        await keeper.collect(grace)
        assert pooled(keeper, B) == {True}
        assert (keeper.layout.staging / f"{C.digest}.part").exists()
        keeper.clock.ahead = grace.patience + 10
        found = await keeper.collect(grace)
        assert taken(found) == {"pool file": 2}
        assert found.freed > 0
        assert pooled(keeper, B) == {False}


async def test_bytes_that_left_the_pool_meanwhile_are_fetched_again(keeper: Keeper) -> None:
    """STORAGE hole 17: linking finds out by itself; a manifest whose blobs went never becomes visible."""
    for content in A.contents():
        await keeper.store.add_small(Digest.of(content), content)
    keeper.clock.ahead = HOUR
    await keeper.serve({"other": {"1": B}})
    await keeper.collect()
    assert not await keeper.link("app", A.manifest)
    assert not has(keeper, "app", A)
    await keeper.put("app", A)
    assert has(keeper, "app", A)


async def test_the_published_times_of_snapshots_decide_and_their_directories_do_not(keeper: Keeper) -> None:
    """What `_snapshot.json` says counts: times of files change when a root is copied or restored."""
    first = (await keeper.serve({"app": {"1": A}})).publication
    second = (await keeper.serve({"app": {"1": B}})).publication
    assert first is not None
    assert second is not None
    edit_json(keeper.layout.snapshots / second.snapshot / "_snapshot.json", published="2020-01-01T00:00:00+00:00")
    assert taken(await keeper.collect()) == {"snapshot": 1, "generation": 1}


async def test_a_link_of_a_snapshot_protects_as_its_document_does(keeper: Keeper) -> None:
    """R1: readers follow the links, so that what they lead to stays, whatever `_snapshot.json` says."""
    first = (await keeper.serve({"app": {"1": A}, "other": {"1": C}})).publication
    await keeper.serve({"app": {"1": B}})
    served = await keeper.serve({"app": {"2": C}})
    assert first is not None
    assert served.publication is not None
    link = keeper.layout.snapshots / served.publication.snapshot / "app"
    target = os.readlink(keeper.layout.snapshots / first.snapshot / "app")
    link.unlink()
    link.symlink_to(target)
    for _ in range(3):
        keeper.clock.ahead += HOUR
        await keeper.collect()
    assert (link / "tags" / "1").exists()
    assert has(keeper, "app", A)


async def test_without_a_served_snapshot_nothing_is_collected(keeper: Keeper) -> None:
    """STORAGE hole 27: no valid `current`, or no snapshot at all: nothing goes; mended, collecting goes on."""
    await keeper.put("app", A)
    before = stamps(keeper.layout.root)
    keeper.clock.ahead = HOUR
    assert (await keeper.collect()).victims == []
    assert stamps(keeper.layout.root) == before
    await keeper.serve({"app": {"1": A}})
    target = os.readlink(keeper.layout.current)
    keeper.layout.current.unlink()
    keeper.layout.current.symlink_to("snapshots/00000099-20200101T000000Z")
    with pytest.raises(HostError, match="gone"):
        await keeper.collect()
    keeper.layout.current.unlink()
    keeper.layout.current.symlink_to(f"{target}/")
    assert keeper.store.may_delete
    assert taken(await keeper.collect()) == {}
    assert has(keeper, "app", A)


async def test_a_snapshot_that_cannot_be_read_stops_all_and_its_mending_lets_it_go_on(keeper: Keeper) -> None:
    """GC fails closed: what an unreadable snapshot names is unknown, so nothing goes; mended, no restart is needed."""
    first = (await keeper.serve({"app": {"1": A}})).publication
    await keeper.serve({"app": {"1": B}})
    assert first is not None
    path = keeper.layout.snapshots / first.snapshot / "_snapshot.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    keeper.clock.ahead = HOUR
    before = stamps(keeper.layout.root)
    with pytest.raises(HostError, match=r"_snapshot\.json"):
        await keeper.collect()
    assert stamps(keeper.layout.root) == before
    path.write_bytes(whole)
    assert taken(await keeper.collect()) == {"snapshot": 1, "generation": 1}


@pytest.mark.parametrize("content", ["", "{", "{}", "null", '"00000001"', "3", "[[]]x"])
async def test_pins_that_cannot_be_read_stop_all(keeper: Keeper, content: str) -> None:
    """GC fails closed: a torn or mangled list of pins is never taken for an empty one."""
    await keeper.serve({"app": {"1": A}})
    await keeper.serve({"app": {"1": B}})
    (keeper.layout.state / "pins.json").write_text(content)
    keeper.clock.ahead = HOUR
    before = stamps(keeper.layout.root)
    with pytest.raises(HostError, match=r"pins\.json"):
        await keeper.collect()
    assert stamps(keeper.layout.root) == before
