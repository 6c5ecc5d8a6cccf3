"""Tampering that is made to look right: names that climb out of documents, links as long as files, other bytes."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.closed import check_tree
from support.fixtures import mirror, upstream
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted
from support.warm import Warm

from mirrord.demo.images import ARM64, image, index
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor
from mirrord.oci.reference import is_tag
from mirrord.store import content, pool
from mirrord.store.root import create
from mirrord.sync.outcome import Status

__all__ = ["mirror", "upstream"]

FLAT = f"{HOST}!app"
APP = index(image("a"), image("b", platform=ARM64))
CLIMBS = ("../../../evil", "..", "a/../../evil", "/evil", "a\0b", "", "A", "a!b", "_blobs", 7, None)

Change = Callable[[Any], None]


@pytest.fixture
async def served(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror that serves an index under two tags, one of which has moved upstream."""
    upstream.push("app", APP, "1", "2")
    mirror.configure('{{name: "{host}/app", tags: ["1", "2"]}}')
    await mirror.sync()
    upstream.push("app", image("moved"), "2")
    return mirror


def rewrite(path: Path, change: Change) -> None:
    """Change a document of the tree."""
    document = json.loads(path.read_bytes())
    change(document)
    path.unlink()
    path.write_text(json.dumps(document))


def put(*keys: Any, value: object = None, renamed: object = None) -> Change:  # noqa: ANN401 - JSON's keys
    """A change of what is at ``keys`` to ``value``, or of the last key to ``renamed``."""

    def change(document: Any) -> None:  # noqa: ANN401 - JSON
        for key in keys[:-1]:
            document = document[key]
        if renamed is None:
            document[keys[-1]] = value
        else:
            document[renamed] = document.pop(keys[-1])

    return change


@pytest.mark.parametrize("climb", CLIMBS, ids=repr)
async def test_names_that_climb_out_of_documents_make_no_paths(served: Mirror, warm: Warm, climb: object) -> None:
    """Tags, repositories and generations in a document of the tree become paths: one that is no name stops the run."""
    generation, snapshot = served.layout.current / FLAT, served.layout.current
    changes: list[tuple[Path, Change]] = [
        (snapshot / "_catalog.json", put("repositories", 0, value=climb)),
        (snapshot / "_snapshot.json", put("generations", f"{HOST}/app", value=climb)),
        (generation / "record.json", put("name", value=climb)),
        (generation / "record.json", put("upstream", "path", value=climb)),
        (generation / "record.json", put("upstream", "host", value=climb)),
        (generation / "record.json", put("tags", "1", "digest", value=climb)),
        (generation / "record.json", put("tags", "1", "kind", value=climb)),
    ]
    if isinstance(climb, str):
        changes.append((snapshot / "_snapshot.json", put("generations", f"{HOST}/app", renamed=climb)))
    if isinstance(climb, str) and not is_tag(climb):
        changes.append((generation / "record.json", put("tags", "1", renamed=climb)))
    names = set(os.listdir(served.place))
    for path, change in changes:
        before = path.read_bytes()
        rewrite(path, change)
        ended = await asyncio.to_thread(warm.run, served.place, "sync", "--config", str(served.config))
        assert "Traceback" not in ended.words
        assert (ended.status, "host: " in ended.words) == (3, True), f"{path.name}: {ended.words}"
        assert set(os.listdir(served.place)) == names
        path.unlink()
        path.write_bytes(before)
    assert check_tree(served.root) > 0
    assert by_name(await served.sync())["app:2"] is Status.UPDATED


async def test_tampered_links_are_not_carried_into_the_next_snapshot(served: Mirror, tmp_path: Path) -> None:
    """A tag's or repository's link that leads elsewhere than its record says is made anew, not linked on."""
    generation = (served.layout.current / FLAT).resolve()
    (tmp_path / "secret").write_text("secret")
    (generation / "tags" / "1").unlink()
    (generation / "tags" / "1").symlink_to(tmp_path / "secret")
    assert by_name(await served.sync())["app:2"] is Status.UPDATED
    assert (served.layout.current / FLAT / "tags" / "1").resolve().name.startswith(str(APP.digest))


async def test_a_tampered_repositorys_link_is_made_anew(mirror: Mirror, upstream: Scripted, tmp_path: Path) -> None:
    """Another repository's publication does not carry a tampered link on."""
    upstream.push("app", APP, "1")
    upstream.push("other", image("o"), "1")
    mirror.configure("{host}/app:1", "{host}/other:1")
    await mirror.sync()
    link = mirror.layout.current / FLAT
    genuine = os.readlink(link)
    link.unlink()
    link.symlink_to(tmp_path)
    upstream.push("other", image("moved"), "1")
    report = await mirror.sync(f"{HOST}/other")
    assert report.snapshots
    assert os.readlink(mirror.layout.current / FLAT) == genuine


async def test_a_manifest_of_other_bytes_is_damage(served: Mirror) -> None:
    """A manifest that is whole, but another's, is not taken for what its name says: its tags would change unseen."""
    path = served.layout.manifest(f"{HOST}/app", APP.digest, APP.manifest.kind)
    path.unlink()
    path.write_bytes(index(image("evil")).manifest.raw)
    done = await served.command("sync")
    assert done.status == 3
    assert "does not hash to its name" in done.out
    assert served.tags("app") == {"1": APP.digest, "2": APP.digest}


def test_a_link_as_long_as_a_blob_is_no_blob(tmp_path: Path) -> None:
    """A link has a size, the length of its text: one of the right length in the pool or the content is not a file."""
    layout = create(tmp_path / "root")
    (tmp_path / "secret").write_text("stranger's")
    target = str(tmp_path / "secret")
    blob = Descriptor("", Digest.of(b"x" * len(target)), len(target))
    pooled, linked = layout.pooled(blob.digest), layout.blob("app", blob.digest)
    for path in (pooled, linked):
        path.parent.mkdir(parents=True)
        path.symlink_to(target)
    assert content.survey(layout, "app", [blob]).absent == (blob,)
    assert pool.size_in_pool(layout, blob.digest) is None
    assert not pool.link_out(layout, blob.digest, blob.size, layout.blobs("app") / "fresh")
    pool.add_small(layout, [pool.SmallFile(blob.digest, b"x" * len(target))])
    assert not pooled.is_symlink()
    assert pool.link_out(layout, blob.digest, blob.size, linked)
    assert not linked.is_symlink()
    assert (tmp_path / "secret").read_text() == "stranger's"


def test_a_fifo_is_no_empty_blob(tmp_path: Path) -> None:
    """A FIFO has no bytes, as the empty blob has none; reading it would wait for ever."""
    layout = create(tmp_path / "root")
    blob = Descriptor("", Digest.of(b""), 0)
    layout.blobs("app").mkdir(parents=True)
    os.mkfifo(layout.blob("app", blob.digest))
    assert content.survey(layout, "app", [blob]).absent == (blob,)


async def test_current_that_leads_out_makes_nothing_of_the_root_garbage(served: Mirror, tmp_path: Path) -> None:
    """What comes after the served snapshot is swept as unpublished: a hostile ``current`` must not make it all so."""
    outside = tmp_path / "00000000-20240101T000000Z"
    outside.mkdir()
    snapshots = set(os.listdir(served.layout.snapshots))
    generations = set(os.listdir(served.layout.generations / FLAT))
    served.layout.current.unlink()
    served.layout.current.symlink_to(outside)
    done = await served.command("sync")
    assert done.status == 3
    assert set(os.listdir(served.layout.snapshots)) == snapshots
    assert set(os.listdir(served.layout.generations / FLAT)) == generations
    assert os.listdir(outside) == []


async def test_generations_that_are_a_link_out_are_not_swept(served: Mirror, tmp_path: Path) -> None:
    """Another root's generations, linked to from this one, are nobody's to sweep."""
    other = tmp_path / "other"
    (other / "_00000009-0123456789abcdef").mkdir(parents=True)
    (served.layout.generations / "zzz").symlink_to(other)
    await served.command("sync")
    await served.command("gc")
    assert os.listdir(other) == ["_00000009-0123456789abcdef"]


async def test_damage_elsewhere_does_not_keep_a_digest_from_being_blocked(served: Mirror, warm: Warm) -> None:
    """Taking a blob out of service looks through every manifest: one that is damaged stops nobody."""
    (child, *_) = APP.manifest.children
    damaged = served.layout.manifest(f"{HOST}/app", APP.digest, APP.manifest.kind)
    damaged.unlink()
    damaged.write_bytes(b"{")
    named = next(built for built in APP.manifests() if built.digest == child.digest)
    assert named.config is not None
    options = ("--config", str(served.config))
    ended = await asyncio.to_thread(warm.run, served.place, "block", str(named.config.digest), *options)
    assert "Traceback" not in ended.words
    assert ended.status == 0, ended.words
