"""What is told after a publication: of snapshots, of repositories, and of the disk; at the cost of what changed."""

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import mirror, upstream
from support.mirror import HOST, Mirror
from support.scripted import Scripted

from mirrord.config.reserve import Reserve
from mirrord.demo.images import artifact, image, layer, signature, signature_tag
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.layout import Layout
from mirrord.store.record import Held
from mirrord.store.seen import Seen
from mirrord.store.snapshot import Reason
from mirrord.store.store import open_store
from mirrord.store.tell import tell_of, tell_published
from mirrord.store.tell_repository import GONE, past_after
from mirrord.store.tree import Tree

__all__ = ["mirror", "upstream"]


def read(root: Path, name: str) -> Any:  # noqa: ANN401 - JSON
    """A document below ``status/``."""
    return json.loads((root / "status" / name).read_text())


async def published(mirror: Mirror) -> None:
    """One real sync, and what is told of it."""
    done = await mirror.command("sync")
    assert done.status == 0, done.err


async def test_a_repository_is_told_with_its_past(mirror: Mirror, upstream: Scripted) -> None:
    """Told: digests, sizes, what is attached, and what each tag named over time."""
    base = layer("base", 100_000)
    first = upstream.push("app", image("one", layers=(base,)), "1")
    kept = image("kept", layers=(base,))
    upstream.push("app", kept, "2")
    upstream.push("app", signature(kept), signature_tag(kept.digest))
    upstream.referrers = True
    upstream.push("app", artifact("bill", "application/spdx+json", kept), "bill")
    mirror.configure('{{name: "{host}/app", tags: ["?"]}}')
    await published(mirror)
    second = upstream.push("app", image("two"), "1")
    await published(mirror)
    told = read(mirror.root, f"repositories/{HOST}/app.json")
    assert sorted(told["tags"]) == ["1", "2"]
    assert [each["digest"] for each in told["history"]["1"]] == [str(second), str(first)]
    assert [each["what"] for each in told["tags"]["2"]["attached"]] == ["signature", "sbom"]
    assert 100_000 <= told["tags"]["2"]["size"] == told["tags"]["2"]["alone"]
    assert told["upstream"] == f"{HOST}/app"


async def test_what_tags_share_is_told(mirror: Mirror, upstream: Scripted) -> None:
    """A layer of two tags is neither's own, and the disk is told how much sharing saves."""
    base = layer("base", 100_000)
    for tag in ("1", "2"):
        upstream.push("app", image(tag, layers=(base, layer(f"own {tag}", 5_000))), tag)
    mirror.configure('{{name: "{host}/app", tags: ["?"]}}')
    await published(mirror)
    held = read(mirror.root, f"repositories/{HOST}/app.json")["tags"]["1"]
    assert 5_000 <= held["alone"] < 100_000 < held["size"]
    pool = sum(path.stat().st_size for path in (mirror.root / "pool").rglob("*") if path.is_file())
    disk = read(mirror.root, "snapshots.json")["disk"]
    assert (disk["stored"], disk["named"] - disk["saved"]) == (pool, pool)
    assert disk["saved"] >= 100_000


async def test_snapshots_are_told_with_what_they_changed(mirror: Mirror, upstream: Scripted) -> None:
    """Newest first: why, what was added, moved and removed, which is served, pinned, held."""
    upstream.push("app", image("one"), "1")
    upstream.push("app", image("two"), "2")
    mirror.configure("{host}/app:1")
    await published(mirror)
    upstream.push("app", image("new"), "1")
    mirror.configure('{{name: "{host}/app", tags: ["1", "2"]}}')
    await published(mirror)
    assert (await mirror.command("snapshots", "pin", "1")).status == 0
    assert (await mirror.command("snapshots", "rollback", "1", "--yes")).status == 0
    told = read(mirror.root, "snapshots.json")
    assert [each["sequence"] for each in told["snapshots"]] == [3, 2, 1]
    assert [each["counts"] for each in told["snapshots"]] == [
        {"added": 0, "removed": 1, "moved": 1},
        {"added": 1, "removed": 0, "moved": 1},
        {"added": 1, "removed": 0, "moved": 0},
    ]
    assert [(each["served"], each["pinned"]) for each in told["snapshots"]] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert told["hold"]["snapshot"] == told["snapshots"][2]["name"]
    assert (await mirror.command("snapshots", "release")).status == 0
    assert read(mirror.root, "snapshots.json")["hold"] is None


async def test_only_what_changed_is_written(mirror: Mirror, upstream: Scripted) -> None:
    """A publication of one repository leaves the notes of the others alone; telling again writes nothing."""
    for name in ("a", "b"):
        upstream.push(name, image(name), "1")
    mirror.configure("{host}/a:1", "{host}/b:1")
    await published(mirror)
    notes = [mirror.root / "status" / "repositories" / HOST / f"{name}.json" for name in ("a", "b")]
    before = [os.stat(note).st_ino for note in notes]
    upstream.push("a", image("new"), "1")
    await published(mirror)
    assert [os.stat(note).st_ino == ino for note, ino in zip(notes, before, strict=True)] == [False, True]
    others = {name: os.stat(mirror.root / "status" / name).st_ino for name in ("snapshots.json", "repositories.json")}
    assert tell_of(Seen(Layout(mirror.root))) == []
    assert {name: os.stat(mirror.root / "status" / name).st_ino for name in others} == others


async def test_what_came_without_a_publication_is_told_of_the_disk(tmp_path: Path) -> None:
    """Telling again looks only whether anything changed: bytes that came to be published later are a change."""
    async with open_store(tmp_path / "root", command="test", threads=1, reserve=Reserve(size=0)) as store:
        built = image("a")
        for content in built.contents():
            await store.add_small(Digest.of(content), content)
        assert await store.complete("app", built.manifest, built.manifest.blobs)
        held = Held(built.digest, built.manifest.kind, 1)
        change = Change("app", Repository("registry.test", "app"), {"1": held}, frozenset())
        await store.publish([change], Reason("", "test"))
        await tell_published(store)
        before = read(tmp_path / "root", "snapshots.json")["disk"]["files"]
        note = os.stat(tmp_path / "root" / "status" / "snapshots.json").st_ino
        await tell_published(store)
        assert os.stat(tmp_path / "root" / "status" / "snapshots.json").st_ino == note
        await store.add_small(Digest.of(b"new"), b"new")
        await tell_published(store)
        assert read(tmp_path / "root", "snapshots.json")["disk"]["files"] == before + 1


async def test_the_note_of_what_is_gone_goes(mirror: Mirror, upstream: Scripted) -> None:
    """A repository that is served no more is told of no more, and leaves no empty directory."""
    for name in ("team/a", "b"):
        upstream.push(name, image(name), "1")
    mirror.configure("{host}/team/a:1", "{host}/b:1")
    await published(mirror)
    mirror.configure("{host}/b:1")
    await published(mirror)
    assert sorted(path.name for path in (mirror.root / "status" / "repositories" / HOST).iterdir()) == ["b.json"]
    assert list(read(mirror.root, "repositories.json")["repositories"]) == [f"{HOST}/b"]


@pytest.mark.parametrize("damage", ["", "{}", '{"schema": "mirrord.repositories/1"}', "no JSON"])
async def test_what_was_told_and_is_damaged_is_told_anew(mirror: Mirror, upstream: Scripted, damage: str) -> None:
    """The notes are made from the tree; whatever became of them, the next telling is whole."""
    upstream.push("app", image("one"), "1")
    mirror.configure("{host}/app:1")
    await published(mirror)
    stray = mirror.root / "status" / "repositories" / "left.json"
    stray.write_text("{}")
    before = {name: read(mirror.root, name) for name in ("snapshots.json", "repositories.json")}
    for name in (*before, f"repositories/{HOST}/app.json"):
        (mirror.root / "status" / name).write_text(damage)
    assert tell_of(Seen(Layout(mirror.root))) == []
    assert read(mirror.root, "repositories.json") == before["repositories.json"]
    assert read(mirror.root, f"repositories/{HOST}/app.json")["history"]["1"]
    assert not stray.exists()


async def test_a_damaged_snapshot_hides_no_other(mirror: Mirror, upstream: Scripted) -> None:
    """Of history that can't be read the others are told still, and the log says which it is."""
    for number in range(3):
        upstream.push("app", image(str(number)), "1")
        mirror.configure("{host}/app:1")
        await published(mirror)
    first, second, third = (each["name"] for each in reversed(read(mirror.root, "snapshots.json")["snapshots"]))
    (mirror.root / "snapshots" / second / "_snapshot.json").write_text("no JSON")
    (mirror.root / "status" / "snapshots.json").unlink()
    (problem,) = tell_of(Seen(Layout(mirror.root)))
    assert second in str(problem)
    assert [each["name"] for each in read(mirror.root, "snapshots.json")["snapshots"]] == [third, first]


async def test_who_tells_and_who_publishes_do_not_wait_for_each_other(mirror: Mirror, upstream: Scripted) -> None:
    """A publication goes on while a large mirror is told of, and the other way round; tellings are one at a time."""
    upstream.push("app", image("one"), "1")
    mirror.configure("{host}/app:1")
    await published(mirror)
    held = Tree(mirror.layout).record(f"{HOST}/app")
    assert held is not None
    change = Change(held.name, held.upstream, {"2": held.tags["1"]})
    publishes, tells, order = threading.Event(), threading.Event(), list[str]()

    async def publishing() -> None:
        assert await store.decide(lambda: publishes.wait(20))  # else nobody told meanwhile

    async def telling() -> None:
        assert await store.tell(lambda: tells.wait(20))  # else nobody published meanwhile
        order.append("first")

    async def telling_next() -> None:
        await tell_published(store)
        order.append("second")

    async with (
        open_store(mirror.root, command="test", threads=4, reserve=Reserve()) as store,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(publishing())
        await tasks.create_task(tell_published(store))
        publishes.set()
        tasks.create_task(telling())
        tasks.create_task(telling_next())
        await store.publish([change], Reason("", "test"))
        tells.set()
    assert order == ["first", "second"]
    assert set(read(mirror.root, f"repositories/{HOST}/app.json")["tags"]) == {"1", "2"}


def test_the_past_of_a_tag_is_bounded() -> None:
    """However many tags go, only those that went last are told of."""
    past = past_after({str(each): [_moment(each)] for each in range(GONE + 50)}, [])
    assert len(past) == GONE
    assert "0" not in past


def _moment(number: int) -> dict[str, object]:
    return {"snapshot": "s", "published": f"2024-01-01T00:{number // 60:02}:{number % 60:02}", "digest": None}
