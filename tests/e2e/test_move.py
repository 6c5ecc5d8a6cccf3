"""Moving in and over by the real commands: import, adopt, export, load; by themselves and carried out by the daemon."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.closed import check_tree
from support.controlled import held
from support.foreign import contents, oci_layout, registry_storage
from support.mirror import HOST, Finished, Mirror
from support.scripted import Scripted

from mirrord.demo.images import image, index, layer
from mirrord.store.tree import Tree

APP = index(image("app"), image("app", layers=[layer("large", 2 << 20)]))
NEWER = image("newer")
REGSYNC = """
creds: [{registry: quay.io, user: me, pass: topsecret}]
sync:
  - {source: "quay.io/x/y:1", target: "localhost:5000/x/y:1", type: image, backup: "b"}
"""


@pytest.fixture
async def origin(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror that serves something."""
    upstream.push("app", APP, "1")
    mirror.configure("{host}/app:*")
    await mirror.sync()
    return mirror


async def at(mirror: Mirror, root: Path, *arguments: str) -> Finished:
    """Run a command on another root, with no config."""
    return await mirror.command(*arguments, "--root", str(root), with_config=False)


def piped(*arguments: str, text: bytes) -> "subprocess.CompletedProcess[bytes]":
    """Run a command that reads standard input."""
    return subprocess.run(
        [sys.executable, "-m", "mirrord", *arguments], input=text, capture_output=True, timeout=60, check=False
    )


async def test_import_writes_a_config_that_check_accepts(mirror: Mirror) -> None:
    """The file is new, holds no password, and is read by the next command; leftovers are lines on standard error."""
    (mirror.place / "regsync.yml").write_text(REGSYNC)
    config = mirror.place / "imported.yaml"
    done = await mirror.command("import", "regsync.yml", "--write", str(config), with_config=False)
    assert (done.status, done.out) == (1, "")
    assert "regsync.yml:2: quay.io: password: stands in the file, and is not copied" in done.err
    assert "regsync.yml:4: sync[0].backup: a copy before overwriting" in done.err
    assert "mirrord: 1 image from regsync; 2 things left over, above." in done.err
    assert f"mirrord check --config {config} --online\n" in done.err
    assert "topsecret" not in config.read_text() + done.err
    checked = await mirror.command("check", "--config", str(config), with_config=False)
    assert checked.status == 0, checked.err
    again = await mirror.command("import", "regsync.yml", "--write", str(config), with_config=False)
    assert (again.status, "is there already" in again.err) == (2, True)


async def test_import_as_json(mirror: Mirror) -> None:
    """One document with the config's text and every leftover; standard error is for people all the same."""
    (mirror.place / "regsync.yml").write_text(REGSYNC)
    done = await mirror.command("import", "regsync.yml", "--json", "--root", "/srv/m", with_config=False)
    document = done.document
    assert (document["schema"], document["tool"], document["images"]) == ("mirrord.import/1", "regsync", 1)
    assert "root: /srv/m\n" in document["config"]
    assert [(left["line"], left["what"]) for left in document["leftovers"]] == [
        (2, "quay.io: password"),
        (4, "sync[0].backup"),
    ]


def test_a_list_through_a_pipe() -> None:
    """``kubeadm config images list | mirrord import -``: a config on standard output, exit status 0."""
    done = piped("import", "-", text=b"registry.k8s.io/pause:3.9\nregistry.k8s.io/etcd:3.5.12-0\n")
    assert done.returncode == 0
    assert b"  - registry.k8s.io/pause:3.9\n" in done.stdout
    assert b"nothing was left over" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"a: 1\n", "none of the files"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"#" * (5 << 20), "more than 4 MiB"),
    ],
)
async def test_import_of_what_is_none(mirror: Mirror, content: bytes | None, words: str) -> None:
    """Exit status 2, and one line that says why."""
    if content is not None:
        (mirror.place / "file").write_bytes(content)
    done = await mirror.command("import", "file", with_config=False)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("by_daemon", [False, True])
async def test_adopt(mirror: Mirror, upstream: Scripted, by_daemon: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """By itself and by the daemon: what it took and left, exit status 1 for that, and a sync that fetches no blob."""
    upstream.push("app", APP, "1")
    mirror.configure("{host}/app:1")
    assert (await mirror.command("init", str(mirror.root), with_config=False)).status == 0
    place = registry_storage(mirror.place / "registry", APP)
    wrong = place / "docker" / "registry" / "v2" / "blobs" / "sha256" / "aa" / ("a" * 64)
    wrong.mkdir(parents=True)
    (wrong / "data").write_bytes(b"something else")

    async def run() -> None:
        done = await mirror.command("adopt", "docker-registry:registry", "--json")
        assert done.status == 1, done.err
        document = done.document
        assert (document["files"], document["here_already"]) == (len(contents([APP])), 0)
        assert [left["path"].rpartition("/")[0] for left in document["left"]] == [str(wrong.relative_to(place))]
        again = await mirror.command("adopt", f"docker-registry:{place}")
        assert again.status == 1
        assert f"Copied 0 files, 0 B; {len(contents([APP]))} files here already. The next sync finds them." in again.out
        assert "left: docker/registry/v2/blobs/sha256/aa/" in again.out

    if by_daemon:
        async with held(mirror.root, mirror.config) as holder:
            await run()
            assert holder.ended == 2
    else:
        await run()
    upstream.forget_requests()
    assert not (await mirror.sync()).has_failed
    assert upstream.asked("/blobs/") == 0


async def test_export_and_load(origin: Mirror, upstream: Scripted) -> None:
    """A bundle, a second one with what is new, and one too many: words, JSON and exit statuses on both sides."""
    far, first = origin.place / "far", Tree.at(origin.root).snapshot()
    exported = await origin.command("export", "all.tar")
    assert exported.status == 0, exported.err
    assert f"Exported snapshot {first} of " in exported.out
    loaded = await at(origin, far, "load", "all.tar")
    assert loaded.status == 0, loaded.err
    assert f"Loaded snapshot {first} of " in loaded.out
    assert "1 repository changed." in loaded.out
    listed = await at(origin, far, "snapshots", "list")
    assert "load all.tar (snapshot" in listed.out
    upstream.push("app", NEWER, "2")
    await origin.sync()
    since = await origin.command("export", "--since", "1", "delta.tar", "--json")
    assert (since.document["since"], since.document["counts"]) == (first, {"records": 1, "manifests": 1, "blobs": 2})
    refused = await at(origin, origin.place / "empty", "load", "delta.tar")
    assert refused.status == 1
    assert f"mirrord: upstream: {origin.place}/delta.tar has what is new since snapshot {first} of " in refused.err
    newer = await at(origin, far, "load", "delta.tar", "--json")
    assert newer.status == 0, newer.err
    assert newer.document["origin"]["snapshot"] == Tree.at(origin.root).snapshot()
    again = await at(origin, far, "load", "delta.tar")
    assert "Nothing to publish: it is what is served." in again.out
    assert set(Tree.at(far).tags(f"{HOST}/app")) == {"1", "2"}
    check_tree(far)


async def test_load_by_the_daemon(origin: Mirror) -> None:
    """The daemon that holds the root loads it; its path is made absolute on the way; a wrong one fails alike."""
    far = origin.place / "far"
    assert (await origin.command("export", "all.tar")).status == 0
    async with held(far, None) as holder:
        loaded = await at(origin, far, "load", "all.tar")
        assert loaded.status == 0, loaded.err
        assert "1 repository changed." in loaded.out
        (origin.place / "cut.tar").write_bytes((origin.place / "all.tar").read_bytes()[:-5000])
        cut = await at(origin, far, "load", "cut.tar")
        assert (cut.status, "it is cut short, or still being copied" in cut.err) == (1, True)
        assert holder.ended == 2
    check_tree(far)


async def test_export_to_standard_output(origin: Mirror) -> None:
    """The same bytes as to a file; with --json, which wants standard output for itself, exit status 2."""
    assert (await origin.command("export", "all.tar")).status == 0
    done = await asyncio.to_thread(piped, "export", "-", "--config", str(origin.config), text=b"")
    assert done.returncode == 0
    assert done.stdout == (origin.place / "all.tar").read_bytes()
    assert b"Exported snapshot" in done.stderr
    both = await origin.command("export", "-", "--json")
    assert (both.status, "standard output" in both.err) == (2, True)


async def test_export_into_a_directory_that_is_not_there(origin: Mirror) -> None:
    """The host's error, exit status 3, and the path."""
    done = await origin.command("export", "absent/all.tar")
    assert (done.status, "absent/all.tar.part" in done.err) == (3, True)


async def test_adopt_reads_an_oci_layout_beside_a_config(origin: Mirror) -> None:
    """JSON on one side, words on the other, and nothing wrong is exit status 0."""
    oci_layout(origin.place / "layout", NEWER)
    done = await origin.command("adopt", "oci-layout:layout", "--json")
    assert (done.status, json.loads(done.out)["left"]) == (0, [])
