"""`mirrord verify` as a person runs it: what it says, its exit statuses, its JSON."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from support.damage import AMD, delete, flip
from support.mirror import HOST, Mirror
from support.scripted import Scripted, answer

from mirrord.config.loader import load
from mirrord.store.layout import flat_name
from mirrord.store.store import open_store

LAYER = AMD.manifest.layers[1].digest


async def test_a_whole_mirror_is_status_0(copy: tuple[Mirror, Scripted]) -> None:
    """Files, bytes and speed in one line; nothing is written: no mtime in the tree changes, no lock is taken."""
    mirror, _ = copy
    before = mirror.files()
    async with open_store(mirror.root, command="a run", threads=1, reserve=load(mirror.config).reserve):
        done = await mirror.command("verify", "--rate", "none")
    assert done.status == 0
    assert "Nothing is wrong." in done.out
    assert mirror.files() == before


async def test_damage_is_status_1_and_every_finding_is_told(copy: tuple[Mirror, Scripted]) -> None:
    """Kind, path, expected, found, the image that needs it, and what to do next."""
    mirror, _ = copy
    flip(mirror.layout.pooled(LAYER))
    (mirror.root / "notes.txt").write_text("x")
    done = await mirror.command("verify")
    assert done.status == 1
    assert f"wrong bytes    pool/sha256/{LAYER.hex[:2]}/{LAYER.hex}\n  expected {LAYER}; found" in done.out
    assert f"needed by {HOST}/app:1" in done.out
    assert "foreign        notes.txt" in done.out
    assert "3 damages. To mend: --repair." in done.out
    document = (await mirror.command("verify", "--json")).document
    assert document["schema"] == "mirrord.verify/1"
    kinds = {each["path"]: (each["kind"], each["named_by"], each["owner"]) for each in document["damages"]}
    assert kinds[f"pool/sha256/{LAYER.hex[:2]}/{LAYER.hex}"] == ("wrong bytes", [f"{HOST}/app:1"], "host")
    assert kinds[f"content/{HOST}/app/_blobs/{LAYER}"] == ("wrong bytes", [f"{HOST}/app:1"], "host")
    assert kinds["notes.txt"] == ("foreign", [], "host")


async def test_names_of_strangers_move_no_cursor(copy: tuple[Mirror, Scripted]) -> None:
    """A foreign name may hold anything: what can't be shown is escaped, in words and as JSON."""
    mirror, _ = copy
    name = os.fsdecode(b"\x1b[2J \xff\n")
    (mirror.root / name).write_text("x")
    done = await mirror.command("verify")
    assert done.status == 1, done.err
    assert r"foreign        \x1b[2J \udcff\n" in done.out
    document = (await mirror.command("verify", "--json")).document
    assert [each["path"] for each in document["damages"]] == [name]


async def test_a_repair_that_mends_all_is_status_0(copy: tuple[Mirror, Scripted]) -> None:
    """What was mended is listed; the next verification finds nothing."""
    mirror, _ = copy
    delete(mirror.layout.pooled(LAYER))
    done = await mirror.command("verify", "--repair")
    assert done.status == 0, done.err
    assert f"mended   missing        pool/sha256/{LAYER.hex[:2]}/{LAYER.hex}" in done.out
    assert (await mirror.command("verify")).status == 0


async def test_a_repair_that_can_not_mend_all_is_status_1(copy: tuple[Mirror, Scripted]) -> None:
    """What is left is listed with the image that lacks it, and why: in words and as JSON."""
    mirror, upstream = copy
    flip(mirror.layout.pooled(LAYER))
    upstream.when(str(LAYER), then=answer(404))
    done = await mirror.command("verify", "--repair")
    assert done.status == 1
    assert f"missing        content/{HOST}/app/_blobs/{LAYER}" in done.out
    assert f"upstream: {HOST}/app@{AMD.digest}: " in done.out
    document = (await mirror.command("verify", "--repair", "--json")).document
    assert [each["owner"] for each in document["problems"]] == ["upstream"]
    assert [each["path"] for each in document["damages"]] == [f"content/{HOST}/app/_blobs/{LAYER}"]


async def test_a_repair_without_a_config_asks_where_the_images_came_from(copy: tuple[Mirror, Scripted]) -> None:
    """--root alone is enough: the records say the upstream. One that nobody reaches is told with its owner."""
    mirror, _ = copy
    flip(mirror.layout.pooled(LAYER))
    mirror.config.unlink()
    done = await mirror.command("verify", "--repair", "--root", str(mirror.root), with_config=False)
    assert done.status == 1
    assert f"network: {HOST}/app@{AMD.digest}: " in done.out


async def test_a_repair_needs_the_lock(copy: tuple[Mirror, Scripted]) -> None:
    """One writer: beside another it ends at once with status 3 and the holder's name."""
    mirror, _ = copy
    async with open_store(mirror.root, command="a run", threads=1, reserve=load(mirror.config).reserve):
        done = await mirror.command("verify", "--repair")
    assert done.status == 3
    assert "in use by `a run`" in done.err


@pytest.mark.parametrize("rate", ["fast", "50MB", "0MB/s"])
async def test_a_wrong_rate_is_status_2(copy: tuple[Mirror, Scripted], rate: str) -> None:
    """What is no rate is refused with what would be right."""
    done = await copy[0].command("verify", "--rate", rate)
    assert done.status == 2
    assert "--rate" in done.err


async def test_a_root_without_its_mark_is_status_3(copy: tuple[Mirror, Scripted]) -> None:
    """What is not a root is not looked at."""
    mirror, _ = copy
    mirror.layout.mark.unlink()
    done = await mirror.command("verify")
    assert done.status == 3
    assert "not a mirrord root" in done.err


async def test_what_was_never_published_is_whole(copy: tuple[Mirror, Scripted]) -> None:
    """An empty root has nothing to find."""
    mirror, _ = copy
    root = mirror.place / "empty"
    await mirror.command("init", str(root), with_config=False)
    done = await mirror.command("verify", "--root", str(root), with_config=False)
    assert (done.status, "Nothing is wrong." in done.out) == (0, True), done.err


async def test_an_interruption_ends_it(copy: tuple[Mirror, Scripted]) -> None:
    """Ctrl-C while it waits for its rate, which would be half an hour: status 130."""
    mirror, _ = copy
    command = [sys.executable, "-m", "mirrord", "verify", "--rate", "1kB/s", "--config", str(mirror.config)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    await asyncio.to_thread(_wait_for_work, process.pid)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130


def _wait_for_work(process: int) -> None:
    """Return when a process has a worker thread."""
    while len(os.listdir(f"/proc/{process}/task")) == 1:
        time.sleep(0.02)


async def test_a_served_record_is_made_anew(copy: tuple[Mirror, Scripted]) -> None:
    """A record that nothing proves is read off the tags: the repair publishes, and says what is left of the old one."""
    mirror, _ = copy
    generation = (mirror.root / "current" / flat_name(f"{HOST}/tool")).resolve()
    flip(generation / "record.json")
    before = mirror.tags("app")
    done = await mirror.command("verify", "--repair")
    assert done.status in {0, 1}
    assert mirror.tags("app") == before
    assert set(mirror.tags("tool")) == set(os.listdir(generation / "tags"))
