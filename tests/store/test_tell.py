"""What is told after a publication: of snapshots, of repositories, and of the disk; at the cost of what changed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import mirror, upstream
from support.mirror import HOST, Mirror
from support.scripted import Scripted

from mirrord.demo.images import artifact, image, layer, signature, signature_tag
from mirrord.store.layout import Layout
from mirrord.store.tell import tell_of
from mirrord.store.tell_repository import GONE, past_after

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
    assert tell_of(Layout(mirror.root)) == []
    assert {name: os.stat(mirror.root / "status" / name).st_ino for name in others} == others


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
    assert tell_of(Layout(mirror.root)) == []
    assert read(mirror.root, "repositories.json") == before["repositories.json"]
    assert read(mirror.root, f"repositories/{HOST}/app.json")["history"]["1"]
    assert not stray.exists()


def test_the_past_of_a_tag_is_bounded() -> None:
    """However many tags go, only those that went last are told of."""
    past = past_after({str(each): [_moment(each)] for each in range(GONE + 50)}, [])
    assert len(past) == GONE
    assert "0" not in past


def _moment(number: int) -> dict[str, object]:
    return {"snapshot": "s", "published": f"2024-01-01T00:{number // 60:02}:{number % 60:02}", "digest": None}
