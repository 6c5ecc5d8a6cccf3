"""`mirrord gc` as a person types it: its words, its JSON, its exit status."""

import json
from pathlib import Path

import pytest
from support.model import HOUR, Keeper, edit_json, keeping
from support.warm import Ended, Warm

from mirrord.demo.images import image
from mirrord.store.layout import Layout

A, B, LOST = image("a"), image("b"), image("lost")


@pytest.fixture
async def layout(tmp_path: Path) -> Layout:
    """A root with a snapshot that may go by its age, and a manifest that nothing names."""
    async with keeping(tmp_path / "root") as keeper:
        await keeper.serve({"app": {"1": A}})
        served = (await keeper.serve({"app": {"1": B}})).publication
        await keeper.put("app", LOST)
    assert served is not None
    path = tmp_path / "root" / "snapshots" / served.snapshot / "_snapshot.json"
    edit_json(path, published="2024-01-01T00:00:00+00:00")
    return Layout(tmp_path / "root")


def configured(place: Path, retention: str) -> Path:
    """A config with this retention."""
    path = place / "mirrord.yaml"
    path.write_text(f"root: {place / 'root'}\n{retention}images: [registry.test/app:1]\n")
    return path


ONE = "retention: {keep_last: 1, keep_daily: 0, keep_weekly: 0, grace: 90s}\n"


def gc(warm: Warm, place: Path, *more: str, retention: str = ONE) -> Ended:
    """Run it with a config."""
    return warm.run(place, "gc", "--config", str(configured(place, retention)), *more)


@pytest.mark.usefixtures("layout")
async def test_it_says_what_it_deleted(warm: Warm, tmp_path: Path) -> None:
    """One line of counts and bytes; with -v each thing; what waits for its grace is counted."""
    ended = gc(warm, tmp_path, "-v")
    assert ended.status == 0
    lines = [line for line in ended.words.splitlines() if "reading" not in line]
    assert lines[-1] == "Deleted 1 snapshot, 1 generation: 0 B. 2 manifests unnamed, within the grace."
    assert lines[0].startswith("snapshot   00000001-")
    assert lines[1].startswith("generation app _00000001-")
    assert all("(" in line for line in lines[:2])
    again = gc(warm, tmp_path)
    assert again.words == "Deleted nothing: 0 B. 2 manifests unnamed, within the grace.\n"


async def test_a_dry_run_says_what_would_go_and_why(layout: Layout, warm: Warm, tmp_path: Path) -> None:
    """The same lines without -v, nothing deleted, exit status 0."""
    ended = gc(warm, tmp_path, "--dry-run")
    assert ended.status == 0
    assert "no rule of the retention keeps it" in ended.words
    assert "no snapshot names it" in ended.words
    assert "Would delete 1 snapshot, 1 generation: 0 B." in ended.words
    assert len(list(layout.snapshots.iterdir())) == 2


@pytest.mark.usefixtures("layout")
async def test_as_json(warm: Warm, tmp_path: Path) -> None:
    """`--json`: one document with counts, bytes, victims, doubts and what was left for later."""
    dry = json.loads(gc(warm, tmp_path, "--dry-run", "--json").words)
    assert dry["schema"] == "mirrord.gc/1"
    assert dry["dry_run"] is True
    assert dry["counts"] == {"snapshot": 1, "generation": 1}
    assert (dry["within_grace"], dry["doubts"], dry["skipped"], dry["bytes_freed"]) == (2, [], [], 0)
    real = json.loads(gc(warm, tmp_path, "--json").words)
    assert {**real, "dry_run": True} == dry


@pytest.mark.parametrize("retention", ["", "retention: {keep_daily: 9}\n", "retention: {grace: 2d}\n"])
async def test_the_config_decides_what_stays(layout: Layout, warm: Warm, tmp_path: Path, retention: str) -> None:
    """Without a `retention:` its defaults hold, with one its keys and the defaults of the others: both stay here."""
    assert gc(warm, tmp_path, retention=retention).words.startswith("Deleted nothing")
    assert len(list(layout.snapshots.iterdir())) == 2


async def test_without_a_config_the_defaults_hold(layout: Layout, warm: Warm, tmp_path: Path) -> None:
    """`mirrord gc --root DIR` keeps ten snapshots."""
    ended = warm.run(tmp_path, "gc", "--root", str(layout.root))
    assert (ended.status, ended.words.startswith("Deleted nothing")) == (0, True)


async def test_a_doubt_is_told_and_ends_with_1(layout: Layout, warm: Warm, tmp_path: Path) -> None:
    """What could not be proved to be garbage is named with its reason, and a script sees it."""
    (layout.manifests("app") / "README").touch()
    ended = gc(warm, tmp_path)
    assert ended.status == 1
    assert "kept: app: 'README' among its manifests is none of mirrord's; nothing there is deleted\n" in ended.words
    assert json.loads(gc(warm, tmp_path, "--json").words)["doubts"]


async def test_a_broken_root_ends_with_3(layout: Layout, warm: Warm, tmp_path: Path) -> None:
    """An unreadable snapshot or list of pins is the host's to mend: nothing goes, one line says what to look at."""
    pins = layout.state / "pins.json"
    pins.write_text("{")
    ended = gc(warm, tmp_path)
    assert ended.status == 3
    assert str(pins) in ended.words
    assert ended.words.count("\n") == 1
    pins.unlink()
    next(layout.snapshots.glob("00000001-*/_snapshot.json")).unlink()
    ended = gc(warm, tmp_path)
    assert ended.status == 3
    assert "_snapshot.json" in ended.words
    assert len(list(layout.snapshots.iterdir())) == 2


async def test_before_the_first_publication(warm: Warm, tmp_path: Path) -> None:
    """A root that never published has nothing that could be proved to be garbage."""
    async with keeping(tmp_path / "root"):
        pass
    ended = gc(warm, tmp_path)
    assert ended.status == 0
    assert ended.words.startswith("Deleted nothing")


async def test_while_another_writer_works(keeper: Keeper, warm: Warm, tmp_path: Path) -> None:
    """One writer: a root that is held is left alone, and its holder named."""
    await keeper.serve({"app": {"1": A}})
    ended = gc(warm, tmp_path)
    assert ended.status == 3
    assert "in use by `test`" in ended.words


async def test_bytes_are_those_of_pool_files(tmp_path: Path, warm: Warm) -> None:
    """A link frees nothing by itself: bytes are counted when the pool's file goes, a grace after its last link."""
    async with keeping(tmp_path / "root") as keeper:
        await keeper.serve({"app": {"1": A}})
        await keeper.store.add_small(LOST.digest, LOST.manifest.raw)
        keeper.clock.ahead = HOUR
        found = await keeper.collect(is_dry=True)
        size = keeper.layout.pooled(LOST.digest).stat().st_blocks * 512
        assert [(each.name, each.freed) for each in found.victims] == [(str(LOST.digest), size)]
    assert gc(warm, tmp_path).words.startswith("Deleted nothing")
