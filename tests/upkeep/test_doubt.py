"""GC fails closed: whatever can't be read or is nobody's keeps all of its repository; the others are collected."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.model import HOUR, Keeper, edit_json, names_below

from mirrord.demo.images import ARM64, image, index
from mirrord.oci.digest import Digest
from mirrord.store.garbage import DoubtError, Present, manifests_present
from mirrord.store.layout import Layout
from mirrord.store.remembered import Remembered
from mirrord.store.retention import Retention

A, B, LOST = image("a"), image("b"), image("lost")
KEEP_TWO = Retention(keep_last=2, keep_daily=0, keep_weekly=0, grace=60)

Damage = Callable[[Layout], object]


def write(path: Path, content: bytes) -> None:
    """Put other bytes in place of a file."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def generation(layout: Layout) -> Path:
    """The served generation of ``app``."""
    return (layout.current / "app").resolve(strict=True)


def manifest(layout: Layout) -> Path:
    """A manifest of ``app`` that a tag names."""
    return layout.manifest("app", A.digest, A.manifest.kind)


def outside(layout: Layout) -> Path:
    """A directory out of the root, with what looks like a manifest that nothing names."""
    path = layout.root.parent / "outside"
    path.mkdir()
    (path / f"{B.digest}.{B.manifest.kind}").write_bytes(B.manifest.raw)
    return path


def move_out(room: Path, layout: Layout) -> None:
    """Have a link out of the root in place of a directory."""
    room.rename(layout.root.parent / "moved")
    room.symlink_to(outside(layout))


def name_no_digest(layout: Layout) -> None:
    """A referrers entry without its digest."""
    path = generation(layout) / "record.json"
    edit_json(path, referrers={str(A.digest): [{"mediaType": "x"}]})


def swap_manifests(layout: Layout) -> None:
    """One whole manifest under the name of another."""
    write(manifest(layout), B.manifest.raw)


def edit_manifest(layout: Layout) -> None:
    """A manifest that somebody edited: it parses, and names other layers."""
    document = json.loads(A.manifest.raw)
    document["layers"] = []
    write(manifest(layout), json.dumps(document).encode())


def lose_a_generation(layout: Layout) -> None:
    """A snapshot names it, and it is gone."""
    generation(layout).rename(layout.root.parent / "lost")


def misdirect_a_tag(layout: Layout) -> None:
    """A tag whose link leads to no manifest."""
    link = generation(layout) / "tags" / "1"
    link.unlink()
    link.symlink_to("../README")


def replace_generations(layout: Layout) -> None:
    """A file in place of all generations of the repository."""
    room = layout.generations / "app"
    room.rename(layout.root.parent / "app")
    write(room, b"")


DAMAGES: dict[str, Damage] = {
    "a stranger's file among the manifests": lambda at: write(at.manifests("app") / "README", b"mine"),
    "a temporary file among the manifests": lambda at: write(at.manifests("app") / f".{A.digest}.oci-manifest", b""),
    "a manifest of no known kind": lambda at: write(at.manifests("app") / f"{A.digest}.oci-thing", b"{}"),
    "a directory named as a manifest": lambda at: (at.manifests("app") / f"{B.digest}.oci-manifest").mkdir(),
    "a FIFO named as a manifest": lambda at: os.mkfifo(at.manifests("app") / f"{B.digest}.oci-manifest"),
    "a link named as a manifest": lambda at: (at.manifests("app") / f"{B.digest}.oci-manifest").symlink_to("x"),
    "an empty manifest": lambda at: write(manifest(at), b""),
    "a torn manifest": lambda at: write(manifest(at), A.manifest.raw[:-9]),
    "an edited manifest": edit_manifest,
    "a swapped manifest": swap_manifests,
    "a manifest of other bytes": lambda at: write(manifest(at), A.manifest.raw + b"\n"),
    "a manifest with nothing but brackets": lambda at: write(manifest(at), b"[" * 100_000),
    "a stranger's file among the blobs": lambda at: write(at.blobs("app") / "notes.txt", b"mine"),
    "a stranger among the generations": lambda at: write(at.generations / "app" / "notes.txt", b"mine"),
    "a torn record": lambda at: write(generation(at) / "record.json", b'{"schema": "mirrord.reco'),
    "an empty record": lambda at: write(generation(at) / "record.json", b""),
    "a record of a newer version": lambda at: edit_json(generation(at) / "record.json", schema="mirrord.record/9"),
    "a record of another repository": lambda at: edit_json(generation(at) / "record.json", name="other"),
    "a record whose tags are a list": lambda at: edit_json(generation(at) / "record.json", tags=[]),
    "a record whose referrers name nothing": name_no_digest,
    "no record": lambda at: (generation(at) / "record.json").unlink(),
    "no tags": lambda at: (generation(at) / "tags").rename(at.root.parent / "tags"),
    "a file as a tag": lambda at: write(generation(at) / "tags" / "1", b"{}"),
    "a tag the record does not have": lambda at: (generation(at) / "tags" / "new").symlink_to(manifest(at)),
    "a tag that leads to no manifest": misdirect_a_tag,
    "a generation that is gone": lose_a_generation,
    "generations that are a file": replace_generations,
    "generations out of the root": lambda at: move_out(at.generations / "app", at),
    "manifests out of the root": lambda at: move_out(at.manifests("app"), at),
    "blobs out of the root": lambda at: move_out(at.blobs("app"), at),
    "content out of the root": lambda at: move_out(at.content / "app", at),
}


async def with_garbage(keeper: Keeper) -> None:
    """Two repositories with an old generation, and with a manifest whose grace is over."""
    for tags in ({"1": A, "0": A}, {"1": A}):
        wanted = {tag: tags.get(tag) for tag in ("0", "1")}
        await keeper.serve({"app": wanted, "other": wanted})
    for name in ("app", "other"):
        await keeper.put(name, LOST)
    await keeper.collect(KEEP_TWO)
    keeper.clock.ahead = HOUR


@pytest.mark.parametrize("what", DAMAGES)
async def test_doubt_keeps_a_repository_and_no_other(keeper: Keeper, what: str) -> None:
    """GC fails closed: nothing of a damaged repository goes, nor the pool's copies of it, and it is told; others go."""
    await with_garbage(keeper)
    layout = keeper.layout
    DAMAGES[what](layout)
    rooms = [layout.content / "app", *layout.root.parent.glob("outside")]
    if "generations" in what:  # what no snapshot names any more is proved to be garbage, whatever the content is like
        rooms.append(layout.generations / "app")
    before = [names_below(room) for room in rooms]
    found = await keeper.collect()
    assert [names_below(room) for room in rooms] == before
    assert [doubt for doubt in found.doubts if "app" in doubt] == found.doubts
    assert len(found.doubts) in {1, 2}
    assert not layout.manifest("other", LOST.digest, LOST.manifest.kind).exists()
    assert layout.manifest("other", A.digest, A.manifest.kind).exists()
    assert len(os.listdir(layout.generations / "other")) == 1
    assert keeper.store.may_delete
    pool = [layout.pooled(Digest.of(content)) for built in (A, LOST) for content in built.contents()]
    pool += [layout.pooled(built.digest) for built in (A, LOST)]
    assert all(path.exists() for path in pool)


@pytest.mark.parametrize("name", ["notes.txt", "lost+found", "a!b!c!d!e!f!g!h!i!j!k"])
async def test_strangers_among_the_repositories_stay(keeper: Keeper, name: str) -> None:
    """A file, or a directory that is no repository's, among the generations stays, is told, and stops nothing."""
    await with_garbage(keeper)
    stranger = keeper.layout.generations / name
    stranger.touch() if name.endswith("txt") else stranger.mkdir()
    found = await keeper.collect()
    assert stranger.exists()
    assert any(name.replace("!", "/") in doubt or name in doubt for doubt in found.doubts)
    assert not keeper.layout.manifest("app", LOST.digest, LOST.manifest.kind).exists()


async def test_strangers_in_the_pool_stay(keeper: Keeper) -> None:
    """What is not named as the pool names its files is nobody's to delete, however old, and is told."""
    await with_garbage(keeper)
    room = keeper.layout.pooled(A.digest).parent
    strangers = [room / "README", room / ("0" * 64), keeper.layout.root / "pool" / "sha256" / "note"]
    for path in strangers:
        path.touch()
    (room / "sub").mkdir()
    (room / "link").symlink_to("README")
    found = await keeper.collect()
    assert all(os.path.lexists(path) for path in (*strangers, room / "sub", room / "link"))
    assert len(found.doubts) == 4
    assert found.counts["manifest"] == 2  # type: ignore[index] # a Level is its value


async def test_an_unreadable_child_of_an_index_keeps_all(keeper: Keeper) -> None:
    """A damaged platform of an index is a doubt like any other, not a child that nobody chose."""
    amd, arm = image("x"), image("x", platform=ARM64)
    await keeper.serve({"app": {"1": index(amd, arm)}})
    await keeper.put("app", LOST)
    await keeper.collect()
    keeper.clock.ahead = HOUR
    write(keeper.layout.manifest("app", arm.digest, arm.manifest.kind), b"torn")
    found = await keeper.collect()
    assert found.doubts
    assert not found.victims


async def test_a_manifest_that_goes_while_all_are_read_keeps_all(keeper: Keeper) -> None:
    """Whoever unlinks one meanwhile: the repository is doubted, never taken for one that has none."""
    await keeper.serve({"app": {"1": A}})
    path = manifest(keeper.layout)

    class Losing(Remembered[Present]):
        """Has what is read be gone by then."""

        def of(self, read: Callable[[], Present], *paths: str) -> Present:
            """Read it too late."""
            os.unlink(paths[0])
            return read()

    with pytest.raises(DoubtError, match=re.escape(f"No such file or directory: '{path}'")):
        manifests_present(keeper.layout, "app", Losing(1, lambda _: 1))
    assert manifests_present(keeper.layout, "app", Remembered(0, lambda _: 1)) == {}
    assert manifests_present(keeper.layout, "other", Remembered(0, lambda _: 1)) == {}


async def test_mended_it_is_collected(keeper: Keeper) -> None:
    """A doubt is no verdict: without the stranger the next collection does what this one left."""
    await with_garbage(keeper)
    stranger = keeper.layout.manifests("app") / "README"
    stranger.touch()
    assert (await keeper.collect()).doubts
    stranger.unlink()
    assert not (await keeper.collect()).doubts
    assert not keeper.layout.manifest("app", LOST.digest, LOST.manifest.kind).exists()
