"""The order in which GC makes its deletes durable, seen at the system calls; and a disk that fails in between."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.closed import check_tree
from support.model import HOUR, edit_json, keeping, names_below, stamps
from support.strace import Injection, traced
from support.warm import Warm

from mirrord.demo.images import image
from mirrord.store.layout import Layout

SCRIPT = Path(__file__).with_name("delete_undurably.py")
RACE = Path(__file__).with_name("link_while_swept.py")
CALLS = ("fsync", "syncfs", "rename", "unlink", "unlinkat", "rmdir", "linkat", "link", "renameat", "renameat2")
A, B, LOST = image("a"), image("b"), image("lost")
CONFIG = """root: {root}
retention: {{keep_last: 1, keep_daily: 0, keep_weekly: 0, grace: 60s}}
images: [registry.test/app:1]
"""


@pytest.fixture
async def layout(tmp_path: Path) -> Layout:
    """A root in which every level but the pool has something that goes now, by the real clock."""
    async with keeping(tmp_path / "root") as keeper:
        await keeper.serve({"app": {"1": A, "0": A}, "other": {"1": A}})
        served = (await keeper.serve({"app": {"0": None}, "other": {"1": B}})).publication
        for name in ("app", "other"):
            await keeper.put(name, LOST)
    assert served is not None
    layout = Layout(tmp_path / "root")
    edit_json(layout.snapshots / served.snapshot / "_snapshot.json", published="2024-01-01T00:00:00+00:00")
    name, long_ago = f"{LOST.digest}.{LOST.manifest.kind}", time.time() - HOUR
    state = layout.state / "tombstones.json"
    state.write_text(json.dumps({"app": {name: long_ago}, "other": {name: long_ago}}))
    (tmp_path / "mirrord.yaml").write_text(CONFIG.format(root=layout.root))
    return layout


def seen(log: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Each call that changed or synced something in the root: its name, and its last path, below the root."""
    for line in log.read_text("utf-8", "replace").splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        paths = re.findall(rf'[<"]{re.escape(str(root))}/?([^>"]*)[>"]', line)
        if call and paths and " = 0" in line:
            yield call[1], paths[-1] if "unlinkat" not in call[1] else "/".join(paths)


async def test_each_level_is_durably_gone_before_the_next_is_touched(
    layout: Layout, warm: Warm, tmp_path: Path
) -> None:
    """STORAGE holes 2, 5, 6: synced, renamed away whole, a barrier, removed; manifests are synced before blobs go."""
    log = tmp_path / "log"
    run = warm.begin(tmp_path, "gc", "--config", str(tmp_path / "mirrord.yaml"))
    with traced(run.process, log, CALLS):
        run.go()
        ended = run.wait()
    assert ended.status == 0, ended.words
    calls = list(seen(log, layout.root))
    at = {each: [number for number, call in enumerate(calls) if call[0] == each] for each in CALLS}
    trashings = [n for n in at["rename"] if calls[n][1].startswith("staging/trash/")]
    barrier = at["syncfs"][0]  # the next one makes the status durable
    removals = [n for n in (*at["unlinkat"], *at["rmdir"]) if calls[n][1].startswith("staging/trash/")]
    assert len(trashings) == 3
    assert calls[min(trashings) - 1] == ("fsync", "")
    assert max(trashings) < barrier < min(removals)
    for repository in ("app", "other"):
        room = f"content/{repository}"
        manifests = [n for n in at["unlink"] if calls[n][1].startswith(f"{room}/_manifests/")]
        blobs = [n for n in at["unlink"] if calls[n][1].startswith(f"{room}/_blobs/")]
        (synced,) = [n for n in at["fsync"] if calls[n][1] == f"{room}/_manifests"]
        assert max(removals) < min(manifests)
        assert max(manifests) < synced < min(blobs)
        assert any(max(blobs) < n for n in at["fsync"] if calls[n][1] == f"{room}/_blobs")
    in_place = [call for call in calls if call[0] in {"unlink", "unlinkat"} and call[1].startswith(("sn", "gen"))]
    assert in_place == []
    check_tree(layout.root)


@pytest.mark.parametrize(
    ("call", "step"), [("rename", 1), ("syncfs", 1), ("fsync", 1), ("unlink", 1), ("unlinkat", 5), ("rmdir", 3)]
)
async def test_killed_anywhere_it_leaves_garbage_and_no_hole(
    layout: Layout, warm: Warm, tmp_path: Path, call: str, step: int
) -> None:
    """A kill before any call leaves a tree that is closed and true, and the next collection ends as an undisturbed."""
    command = ("gc", "--config", str(tmp_path / "mirrord.yaml"))
    saved = tmp_path / "saved"
    subprocess.run(["cp", "-a", layout.root, saved], check=True)
    killed = 0
    while True:
        shutil.rmtree(layout.root)
        subprocess.run(["cp", "-a", saved, layout.root], check=True)
        run = warm.begin(tmp_path, *command)
        with traced(
            run.process, tmp_path / "log", (call,), Injection((call,), "signal=SIGKILL", str(killed * step + 1))
        ):
            run.go()
            ended = run.wait()
        check_tree(layout.root)
        if ended.status == 0:
            break
        killed += 1
        assert ended.status == -signal.SIGKILL, ended.words
        assert warm.run(tmp_path, *command).status == 0
        check_tree(layout.root)
        for name, blobs in (("app", 2), ("other", 4)):  # there A is garbage since now
            assert len(list((layout.generations / name).iterdir())) == 1
            assert not layout.manifest(name, LOST.digest, LOST.manifest.kind).exists()
            assert len(names_below(layout.blobs(name))) == blobs
    assert killed


def steps(layout: Layout, what: str, log: Path, *injections: Injection) -> list[list[str]]:
    """How the steps of the script end while the disk fails."""
    command = [sys.executable, str(SCRIPT), str(layout.root), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with traced(process.pid, log, ("fsync", "syncfs"), *injections):
            process.stdin.write("go\n")
            process.stdin.close()
            said: list[list[str]] = json.loads(process.stdout.read())
    return said


def test_after_a_swap_that_may_not_last_nothing_is_deleted(layout: Layout, tmp_path: Path) -> None:
    """STORAGE hole 5: a publication whose last fsync failed is served, and nothing is deleted until a restart."""
    said = steps(layout, "publish", tmp_path / "log", Injection(("fsync",), "error=EIO", "1"))
    assert [kind for kind, _ in said] == ["UndurableError", "HostError", "HostError"]
    assert "until mirrord starts again" in said[1][1]
    assert len(list(layout.snapshots.iterdir())) == 3
    assert layout.manifest("app", LOST.digest, LOST.manifest.kind).exists()
    assert [kind for kind, _ in steps(layout, "collect", tmp_path / "log2")] == ["done", "done"]
    assert not layout.manifest("app", LOST.digest, LOST.manifest.kind).exists()
    check_tree(layout.root)


def test_what_is_served_is_synced_or_nothing_goes(layout: Layout, tmp_path: Path) -> None:
    """STORAGE hole 5: a writer may have died between swap and fsync; where that can't be made up, nothing goes."""
    before = stamps(layout.root)
    said = steps(layout, "collect", tmp_path / "log", Injection(("fsync",), "error=EIO", "1"))
    assert [kind for kind, _ in said] == ["UndurableError", "HostError"]
    assert stamps(layout.root) == before


def test_a_barrier_that_fails_stops_all_deletes(layout: Layout, tmp_path: Path) -> None:
    """STORAGE hole 5: no manifest goes while the snapshots that named it may come back; a restart begins again."""
    before = names_below(layout.content)
    said = steps(layout, "collect", tmp_path / "log", Injection(("syncfs",), "error=EIO"))
    assert [kind for kind, _ in said] == ["UndurableError", "HostError"]
    assert names_below(layout.content) == before
    check_tree(layout.root)
    assert [kind for kind, _ in steps(layout, "collect", tmp_path / "log2")] == ["done", "done"]
    check_tree(layout.root)


def test_no_blob_goes_before_its_manifest_is_durably_gone(layout: Layout, tmp_path: Path) -> None:
    """STORAGE holes 5 and 11: with the manifests' fsync failing their blobs stay, here and in the other repository."""
    before = {name: names_below(layout.blobs(name)) for name in ("app", "other")}
    said = steps(layout, "collect", tmp_path / "log", Injection(("fsync",), "error=EIO", "2"))
    assert [kind for kind, _ in said] == ["UndurableError", "HostError"]
    assert {name: names_below(layout.blobs(name)) for name in ("app", "other")} == before
    assert layout.manifest("other", LOST.digest, LOST.manifest.kind).exists()
    assert [kind for kind, _ in steps(layout, "collect", tmp_path / "log2")] == ["done", "done"]
    check_tree(layout.root)


def test_a_file_that_is_linked_while_the_pool_is_swept_stays_in_it(tmp_path: Path) -> None:
    """STORAGE hole 17: with each unlink slow, what runs link meanwhile stays in the pool, or went and comes again."""
    root = tmp_path / "root"
    with subprocess.Popen(
        [sys.executable, str(RACE), str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with traced(process.pid, tmp_path / "log", ("unlink",), Injection(("unlink",), "delay_enter=3000")):
            process.stdin.write("go\n")
            process.stdin.close()
            assert process.stdout.read().strip().isdecimal()
    assert process.returncode == 0
    check_tree(root)
