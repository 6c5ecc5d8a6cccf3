"""Who may do what with a root's files, and what a root in a directory of everybody's must not be led to do."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.closed import check_tree
from support.fixtures import upstream
from support.mirror import HOST, Mirror
from support.ordinary import NOBODY, own, run_ordinary
from support.scripted import Scripted
from support.tamper import writable_by_others
from support.tree import readable_directory

from mirrord.demo.images import image, index, layer
from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.root import create, hold

__all__ = ["upstream"]

APP = index(image("a"), image("b", layers=(layer("big", 3 << 20),)))
CANARY = "what must not change"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others may enter."""
    with readable_directory() as directory:
        yield directory


@pytest.fixture
def mirror(place: Path, upstream: Scripted) -> Mirror:
    """A mirror of an index with a streamed layer, in a place that belongs to an ordinary user."""
    upstream.push("app", APP, "1")
    mirror = Mirror(place, upstream.url)
    mirror.configure("{host}/app:1")
    own(place)
    return mirror


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077], ids=oct)
async def test_modes_are_the_same_whatever_the_umask(mirror: Mirror, umask: int) -> None:
    """Nobody but the owner may write anything, nginx may read all that is served, and nobody sees the private rooms."""
    done = await asyncio.to_thread(run_ordinary, mirror.place, "sync", "--config", str(mirror.config), umask=umask)
    assert done.returncode == 0, done.stderr
    root, layout = mirror.root, mirror.layout
    assert writable_by_others(root) == []
    for room in (layout.staging, layout.trash, layout.state):
        assert mode(room) == 0o700
    for room in (root / "pool", layout.content, layout.generations, layout.snapshots):
        for directory, names, files in os.walk(room):
            assert mode(Path(directory)) == 0o755
            assert {mode(Path(directory, name)) for name in files} <= {0o444, 0o777}  # a link's mode means nothing
            assert all(mode(Path(directory, name)) in {0o755, 0o777} for name in names)
    assert mode(root) == 0o755
    assert mode(layout.mark) == mode(root / "lock") == 0o644
    assert {mode(path) for path in layout.state.iterdir()} == {0o600}


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_init_makes_safe_modes_whatever_the_umask(place: Path, umask: int) -> None:
    """The root and the config that `init` makes: readable by all, writable by one."""
    own(place)
    done = run_ordinary(place, "init", str(place / "root"), umask=umask)
    assert done.returncode == 0, done.stderr
    assert writable_by_others(place) == []
    assert mode(place / "root") == 0o755
    assert mode(place / "mirrord.yaml") == 0o644


@pytest.mark.parametrize("name", [b"r\xff", b"a\nb", b"\x1b[31m"])
def test_a_root_whose_name_is_no_text_is_refused(place: Path, name: bytes) -> None:
    """It could stand in no config and in no nginx configuration: refused before it is made, in words."""
    own(place)
    for arguments in (("init",), ("nginx", "--root")):
        done = run_ordinary(place, *arguments, os.fsdecode(os.fsencode(place) + b"/" + name))
        assert done.returncode == 2, done.stderr
        assert "can't stand in" in done.stderr
        assert not {"Traceback", "\x1b"} & set(done.stderr.split())
    assert os.listdir(place) == []


async def test_an_ordinary_user_without_capabilities_does_it_all(mirror: Mirror, upstream: Scripted) -> None:
    """No command needs a capability, or a way to get one: make, fill, update, look, tidy."""
    options = ("--config", str(mirror.config))
    for arguments in (("sync",), ("sync",), ("images",), ("sync", "--dry-run"), ("gc",), ("snapshots", "list")):
        done = await asyncio.to_thread(run_ordinary, mirror.place, *arguments, *options)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        upstream.push("app", image("moved"), "1")
    assert check_tree(mirror.root) > 0
    if os.geteuid() == 0:
        assert {os.lstat(path).st_uid for path in mirror.root.rglob("*")} == {NOBODY}


@pytest.mark.parametrize("name", ["root.json", "record.json", "_snapshot.json", "manifest", "state", "snapshots"])
async def test_what_may_not_be_read_is_told(mirror: Mirror, upstream: Scripted, name: str) -> None:
    """A file or directory without its owner's rights: the path, the host's move, no traceback; the rest stays."""
    options = ("--config", str(mirror.config))
    assert (await asyncio.to_thread(run_ordinary, mirror.place, "sync", *options)).returncode == 0
    layout = mirror.layout
    path = {
        "root.json": layout.mark,
        "record.json": layout.current / f"{HOST}!app" / "record.json",
        "_snapshot.json": layout.current / "_snapshot.json",
        "manifest": layout.manifest(f"{HOST}/app", APP.digest, APP.manifest.kind),
        "state": layout.state,
        "snapshots": layout.snapshots,
    }[name].resolve()
    before = mode(path)
    path.chmod(0)
    upstream.push("app", image("moved"), "1")
    try:
        for command in ("sync", "images"):
            done = await asyncio.to_thread(run_ordinary, mirror.place, command, *options)
            assert "Traceback" not in done.stdout + done.stderr
            assert done.returncode in {0, 3}, done.stdout + done.stderr
            assert done.returncode == 0 or "host: " in done.stdout + done.stderr
    finally:
        path.chmod(before)
    assert check_tree(mirror.root) > 0


async def test_rooms_that_others_could_write_into_are_closed(mirror: Mirror) -> None:
    """A restored or careless root: what others may write is closed before it is used, and told."""
    options = ("--config", str(mirror.config))
    assert (await asyncio.to_thread(run_ordinary, mirror.place, "sync", *options)).returncode == 0
    for room in (mirror.layout.staging, mirror.layout.state, mirror.layout.content, mirror.layout.snapshots):
        room.chmod(0o777)
    done = await asyncio.to_thread(run_ordinary, mirror.place, "sync", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("root.mode_mended") == 4
    assert writable_by_others(mirror.root) == []


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file outside that is still what it was at the end, however it was linked to."""
    canary = tmp_path / "canary"
    canary.write_text(CANARY)
    canary.chmod(0o600)
    yield canary
    assert canary.read_text() == CANARY
    assert mode(canary) == 0o600


def test_a_link_in_the_place_of_a_temporary_name_is_not_written_through(tmp_path: Path, canary: Path) -> None:
    """Names that could be guessed are made anew, exclusively, and never through a link."""
    layout = create(tmp_path / "root")
    for name in (f".note.{os.getpid()}", "note"):
        (layout.state / name).symlink_to(canary)
    durable.replace_file(layout.state / "note", b"written", mode=0o600)
    assert (layout.state / "note").read_bytes() == b"written"
    (layout.staging / "x.new").symlink_to(canary)
    with pytest.raises(HostError, match="cannot create"):
        durable.write_file(layout.staging / "x.new", b"written")
    (layout.staging / "dangling").symlink_to(tmp_path / "absent")
    with pytest.raises(HostError, match="cannot create"):
        durable.write_file(layout.staging / "dangling", b"written")
    assert not (tmp_path / "absent").exists()


def test_links_left_for_a_writer_to_follow_are_not_followed(tmp_path: Path, canary: Path) -> None:
    """Every name that a writer makes in the root and its staging, put there beforehand as a link: swept or replaced."""
    layout = create(tmp_path / "root")
    names = ("lock", ".current.00000001", ".lock.1", f".root.json.{os.getpid()}", "staging/00000001-20240101T000000Z")
    for name in (*names, "staging/sha256:aa.part", "staging/sha256:aa.new", "staging/trash/old"):
        (layout.root / name).symlink_to(canary)
    with hold(layout.root, "test"):
        assert not (layout.root / "lock").is_symlink()
        assert os.listdir(layout.staging) == ["trash"]
    assert os.listdir(layout.trash) == []


def test_a_hardlinked_lock_does_not_reach_another_file(tmp_path: Path, canary: Path) -> None:
    """The words about the holder go into a file of their own, even where ``lock`` is another name of something else."""
    layout = create(tmp_path / "root")
    os.link(canary, layout.root / "lock")
    with hold(layout.root, "test"):
        assert "test" in (layout.root / "lock").read_text()


def test_a_directory_that_is_a_link_keeps_its_targets_mode(tmp_path: Path) -> None:
    """Making a directory where a link to one is: an error, and the mode of what it leads to is left alone."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(HostError, match="is no directory, or a link to one"):
        durable.make_directory(tmp_path / "link", 0o777)
    with pytest.raises(HostError):
        durable.set_mode(tmp_path / "link", 0o777)
    assert mode(tmp_path / "elsewhere") == 0o700


@pytest.mark.parametrize("target", ["absent", "elsewhere"])
def test_a_root_that_is_somebodys_link_is_refused(tmp_path: Path, target: str) -> None:
    """In a directory where everybody may write, a link put in the place of a root yet to be made leads nowhere."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "elsewhere").mkdir()
    (shared / "root").symlink_to(tmp_path / target)
    with pytest.raises(HostError), hold(shared / "root", "test"):
        pass
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not (tmp_path / "absent").exists()


def test_a_root_in_a_strangers_directory_is_refused(tmp_path: Path) -> None:
    """A directory of another user's is no root, be the mark in it one's own: its owner could change all in it."""
    layout = create(tmp_path / "root")
    if os.geteuid() != 0:
        return  # only root can give a directory to another user
    os.chown(layout.root, NOBODY, NOBODY)
    with pytest.raises(HostError, match="belongs to nobody"), hold(layout.root, "test"):
        pass
