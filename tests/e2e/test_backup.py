"""Backup and move: the commands of docs/how-to/backup.md, as they stand there, while runs publish all the time."""

import asyncio
import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.closed import check_tree
from support.crash import check_true
from support.mirror import HOST, Mirror, by_name
from support.programs import program
from support.scripted import Scripted

from mirrord.demo.images import ARM64, BuiltImage, image, index, layer, signature, signature_tag
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.sync.outcome import Status

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "backup.md"
REPOSITORIES = 12
KNOWN = [
    index(
        image(f"known {number}", layers=(layer("shared", 1 << 20), layer(str(number), 200_000))),
        image(f"{number} b", platform=ARM64),
    )
    for number in range(3)
]
"""Images that the mirror has before the copying begins; tags move among them, and to new ones."""


WANTED = [f'{{{{name: "{{host}}/app{number}", tags: ["1", stays]}}}}' for number in range(REPOSITORIES)]


def commands(source: Path, target: Path) -> str:
    """The page's commands, for these places."""
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script: str = re.sub(r"^from=.*$", f"from={source}", block, count=1, flags=re.MULTILINE)
    return re.sub(r"^to=.*$", f"to={target}", script, count=1, flags=re.MULTILINE)


async def copy(source: Path, target: Path, *first: Path) -> None:
    """Do what the page says, with the command of this checkout; programs in the directories ``first`` come first."""
    program("rsync", "rsync")
    places = [*map(str, first), os.path.dirname(sys.executable), os.environ["PATH"]]
    environment = {**os.environ, "PATH": ":".join(places)}
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", commands(source, target)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def move(upstream: Scripted, turn: int, images: Sequence[BuiltImage]) -> None:
    """Let every repository's tags name other images than before."""
    for number in range(REPOSITORIES):
        built = images[(turn + number) % len(images)]
        upstream.push(f"app{number}", built, "1")
        upstream.push(f"app{number}", signature(built), signature_tag(built.digest))


async def publish_until(done: asyncio.Event, mirror: Mirror, upstream: Scripted) -> int:
    """Publish new and known images in turn until the copy is made; gives how many snapshots there were."""
    published = 0
    while not done.is_set():
        fresh = image(f"fresh {published}", layers=(layer("shared", 1 << 20), layer(f"fresh {published}", 50_000)))
        move(upstream, published, [*KNOWN, index(fresh)])
        with contextlib.suppress(HostError):  # the root is in use: a snapshot is being pinned
            published += len((await mirror.sync()).snapshots)
        await asyncio.sleep(0.02)  # so that a person's command gets at the lock
    return published


@pytest.fixture
async def source(tmp_path: Path, upstream: Scripted) -> Mirror:
    """A mirror that has every known image in every repository."""
    (tmp_path / "source").mkdir()
    mirror = Mirror(tmp_path / "source", upstream.url)
    mirror.configure(*WANTED)
    for number in range(REPOSITORIES):
        upstream.push(f"app{number}", image("stays"), "stays")
    for turn in range(len(KNOWN)):
        move(upstream, turn, KNOWN)
        await mirror.sync()
    return mirror


@pytest.fixture
def target(tmp_path: Path, upstream: Scripted) -> Mirror:
    """Where it is copied to, with the same config."""
    (tmp_path / "target").mkdir()
    mirror = Mirror(tmp_path / "target", upstream.url)
    mirror.configure(*WANTED)
    return mirror


def bytes_on_disk(root: Path) -> int:
    """What its files take, each inode once."""
    statuses = [os.lstat(Path(directory, name)) for directory, _, names in os.walk(root) for name in names]
    return sum({status.st_ino: status.st_blocks * 512 for status in statuses}.values())


async def test_a_copy_made_while_runs_publish_is_whole_and_goes_on(
    source: Mirror, target: Mirror, upstream: Scripted
) -> None:
    """The copy serves the chosen snapshot, closed and true; each byte is kept once; a sync fetches none again."""
    done = asyncio.Event()
    chosen = os.readlink(source.layout.current)

    async def back_up() -> None:
        try:
            await copy(source.root, target.root)
        finally:
            done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(back_up())
        publishing = tasks.create_task(publish_until(done, source, upstream))
    assert publishing.result() > 1
    copied = os.readlink(target.layout.current)
    assert copied >= chosen
    assert check_tree(target.root) >= 5 * REPOSITORIES
    assert check_true(target.root) > 0
    check_manifests_are_complete(target.layout)
    move(upstream, 0, KNOWN)
    upstream.forget_requests()
    report = await target.sync()
    assert not [asked for asked in upstream.requests if "/blobs/" in asked.path]
    assert report.progress.bytes_fetched == 0
    assert set(by_name(report).values()) <= {Status.UPDATED, Status.UNCHANGED}
    move(upstream, 1, [index(image("new after all"))])
    assert set(by_name(await target.sync()).values()) == {Status.UPDATED, Status.UNCHANGED}


def check_manifests_are_complete(layout: Layout) -> None:
    """Every manifest in the copy, served or not, has all its blobs: present is complete."""
    found = 0
    for number in range(REPOSITORIES):
        name = f"{HOST}/app{number}"
        for path in layout.manifests(name).iterdir():
            text = path.read_text()
            named = re.findall(r'"(?:config|layers)".*', text)
            if path.name.endswith("manifest") and named:
                for digest in re.findall(r"sha256:[0-9a-f]{64}", named[0]):
                    assert (layout.blobs(name) / digest).exists() or '"subject"' in text, f"{path} lacks {digest}"
                    found += 1
    assert found > 0


async def test_blobs_that_the_first_rsync_looked_past_come_with_the_second(
    source: Mirror, target: Mirror, tmp_path: Path
) -> None:
    """A manifest may appear when its blobs' directory was read already: as if it had, they are missing in between."""
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "rsync"
    missed = f"{target.root}/content/{HOST}/app0/_blobs"
    lines = ("#!/bin/sh", f'{shutil.which("rsync")} "$@" || exit', f"[ -e {tmp_path}/once ] || rm -r {missed}/*")
    wrapper.write_text("\n".join([*lines, f": >{tmp_path}/once\n"]))
    wrapper.chmod(0o755)
    await copy(source.root, target.root, wrapper.parent)
    assert (tmp_path / "once").exists()
    assert check_tree(target.root) == check_tree(source.root)
    check_manifests_are_complete(target.layout)


async def test_what_was_collected_meanwhile_goes_from_the_copy(source: Mirror, target: Mirror) -> None:
    """A manifest that the copy has and the original no longer goes, so that no manifest is left without its blobs."""
    await copy(source.root, target.root)
    layout = source.layout
    for path in (*layout.manifests(f"{HOST}/app0").iterdir(), *layout.blobs(f"{HOST}/app0").iterdir()):
        if not any(str(digest) in path.name for digest in (source.tags("app0")["stays"], *blobs_of("stays"))):
            path.unlink()
    await copy(source.root, target.root)
    left = {path.name for path in target.layout.manifests(f"{HOST}/app0").iterdir()}
    assert left == {path.name for path in layout.manifests(f"{HOST}/app0").iterdir()}
    assert len(left) == 1


def blobs_of(seed: str) -> tuple[Digest, ...]:
    """The blobs of an image."""
    return tuple(blob.digest for blob in image(seed).manifest.blobs)


async def test_a_copy_is_refreshed_and_keeps_links(source: Mirror, target: Mirror, upstream: Scripted) -> None:
    """A second copy over the first takes no more disk than the original, has its modes, and what went is gone."""
    await copy(source.root, target.root)
    upstream.push("app0", index(image("one more")), "1")
    await source.sync()
    await copy(source.root, target.root)
    assert os.readlink(target.layout.current) == os.readlink(source.layout.current)
    assert check_tree(target.root) == check_tree(source.root)
    assert bytes_on_disk(target.root) <= bytes_on_disk(source.root) * 1.05
    snapshot, generations = target.layout.current.resolve(), target.layout.generations
    for links in (snapshot.glob("*!app*"), generations.glob("*/*/tags/stays")):
        statuses = [os.lstat(path) for path in links]
        assert all(stat.S_ISLNK(status.st_mode) for status in statuses)
        assert any(status.st_nlink > 1 for status in statuses)
    for room in ("pool", "content", "generations", "snapshots"):
        before, after = (
            {(str(p.relative_to(m.root)), os.lstat(p).st_mode) for p in (m.root / room).rglob("*")}
            for m in (source, target)
        )
        assert before == after, room
    assert not (target.root / "staging").exists()
