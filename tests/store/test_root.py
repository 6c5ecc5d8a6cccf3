"""Making and holding a root."""

import json
import os
from pathlib import Path

import pytest

from mirrord.errors import HostError
from mirrord.store.layout import Layout
from mirrord.store.root import create, hold


def test_an_absent_root_is_created_and_marked(tmp_path: Path) -> None:
    """Holding a root that is not there makes it: marked, rooms with the promised modes, whatever the umask."""
    before = os.umask(0o077)
    try:
        with hold(tmp_path / "root", "test") as root:
            layout = root.layout
        modes = {path.name: path.stat().st_mode & 0o777 for path in layout.root.iterdir()}
    finally:
        os.umask(before)
    assert modes["pool"] == modes["content"] == modes["generations"] == modes["snapshots"] == 0o755
    assert modes["staging"] == modes["state"] == 0o700
    assert modes["root.json"] == 0o644
    assert layout.root.stat().st_mode & 0o777 == 0o755


def test_a_root_below_an_absent_parent_is_refused(tmp_path: Path) -> None:
    """A missing parent may be a missing mount: it is named, not made."""
    with pytest.raises(HostError, match="parent"), hold(tmp_path / "absent" / "root", "test"):
        pass
    assert not (tmp_path / "absent").exists()


def test_init_marks_an_existing_directory_once(tmp_path: Path) -> None:
    """`init` on a directory marks it; on a root it changes nothing."""
    (tmp_path / "root").mkdir()
    create(tmp_path / "root")
    mark = (tmp_path / "root" / "root.json").read_bytes()
    create(tmp_path / "root")
    assert (tmp_path / "root" / "root.json").read_bytes() == mark


def test_a_removed_lock_file_does_not_let_a_second_writer_in(tmp_path: Path) -> None:
    """Hole 24: the lock is on the directory itself; the file `lock` only names the holder."""
    with hold(tmp_path / "root", "first"):
        (tmp_path / "root" / "lock").unlink()
        with pytest.raises(HostError, match="in use by another process"), hold(tmp_path / "root", "second"):
            pass


def test_the_lock_ends_with_the_block(tmp_path: Path) -> None:
    """After a writer is done another may hold the root, and says so in the file `lock`."""
    with hold(tmp_path / "root", "first"):
        pass
    with hold(tmp_path / "root", "second"):
        assert json.loads((tmp_path / "root" / "lock").read_text())["command"] == "second"


def test_a_mark_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A torn mark: the file and what was expected; never guessed at."""
    create(tmp_path / "root")
    (tmp_path / "root" / "root.json").write_text("{")
    with pytest.raises(HostError, match=r"root\.json can't be read"), hold(tmp_path / "root", "test"):
        pass


def test_a_room_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A pool that is a symlink would leave the filesystem: refused, never followed."""
    layout = create(tmp_path / "root")
    (layout.root / "pool" / "sha256").rmdir()
    (layout.root / "pool" / "sha512").rmdir()
    (layout.root / "pool").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (layout.root / "pool").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="pool"), hold(layout.root, "test"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_dead_runs_left_is_cleared_and_partials_stay(tmp_path: Path) -> None:
    """At start half-built directories, temporary links and trash go; a download worth resuming stays."""
    layout = create(tmp_path / "root")
    (layout.staging / "half-built").mkdir()
    (layout.staging / "half-built" / "file").touch()
    (layout.staging / "sha256:aa.new").touch()
    (layout.staging / "sha256:aa.part").touch()
    (layout.staging / "sha256:bb.part").touch()
    os.utime(layout.staging / "sha256:bb.part", (0, 0))
    (layout.trash / "old").mkdir()
    (layout.root / ".current.00000009").symlink_to("snapshots/x")
    with hold(layout.root, "test"):
        assert sorted(os.listdir(layout.staging)) == ["sha256:aa.part", "trash"]
        assert os.listdir(layout.trash) == []
        assert not os.path.lexists(layout.root / ".current.00000009")


def test_sequence_numbers_never_go_back(tmp_path: Path) -> None:
    """Hole 14: the next number is above every snapshot and generation on disk, whatever the clock says."""
    layout = create(tmp_path / "root")
    (layout.snapshots / "00000007-20010101T000000Z").mkdir()
    (layout.generations / "app" / "_00000009-0123456789abcdef").mkdir(parents=True)
    with hold(layout.root, "test") as root:
        assert root.next_sequence == 10


def test_a_generation_no_snapshot_names_is_cleared(tmp_path: Path) -> None:
    """Holes 1 and 2: a generation is trusted because a snapshot names it, never because it exists."""
    layout = create(tmp_path / "root")
    named, unnamed = "_00000001-0123456789abcdef", "_00000002-0123456789abcdef"
    for name in (named, unnamed):
        (layout.generations / "app" / name).mkdir(parents=True)
    snapshot = layout.snapshots / "00000001-20260101T000000Z"
    snapshot.mkdir()
    (snapshot / "app").symlink_to(f"../../generations/app/{named}")
    layout.current.symlink_to(f"snapshots/{snapshot.name}")
    with hold(layout.root, "test"):
        assert os.listdir(layout.generations / "app") == [named]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """A stranger's directory among the generations is nobody's to delete."""
    layout = create(tmp_path / "root")
    (layout.generations / "app" / "somebody's").mkdir(parents=True)
    with hold(layout.root, "test"):
        assert os.listdir(layout.generations / "app") == ["somebody's"]
    assert Layout(layout.root).mark.exists()
