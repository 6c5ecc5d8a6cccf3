"""Reading a root's files: regular ones alone, of a bounded size, by no link that leads out, without waiting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.programs import program
from support.tamper import Outside, Tamper, deep, directory, fifo, link_out, link_to_secret, loop, socket_file, sparse

from mirrord.errors import HostError
from mirrord.store.reading import file_size, open_file, read_file, read_json, read_link

LIMIT = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a file, and links to it such as snapshots have."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text('{"x": 1}')
    (root / "current").symlink_to("a")
    (root / "a" / "up").symlink_to("../a/b/file")
    return root


@pytest.mark.parametrize("name", ["a/b/file", "current/b/file", "current/up"])
def test_a_file_is_read_by_links_within_the_root(root: Path, name: str) -> None:
    """``current`` and the links of snapshots are followed: they stay inside."""
    assert read_file(root, root / name, LIMIT) == b'{"x": 1}'
    assert read_json(root, root / name, LIMIT) == {"x": 1}


def test_a_root_behind_a_link_is_a_root(root: Path, tmp_path: Path) -> None:
    """The root itself may be a link to another disk; what is inside is judged from there."""
    (tmp_path / "link").symlink_to(root)
    assert read_file(tmp_path / "link", tmp_path / "link" / "current" / "up", LIMIT) == b'{"x": 1}'


@pytest.mark.parametrize("name", ["a/absent", "absent/file", "a/b/file/below", f"a/{'x' * 300}", "a/nul\0"])
def test_what_is_not_there_is_absent(root: Path, name: str) -> None:
    """No such name, no such directory, a file in the place of one, a name too long: FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        read_file(root, root / name, LIMIT)
    with pytest.raises(FileNotFoundError):
        read_link(root, root / name)


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (fifo, "no regular file"),
        (socket_file, "no regular file"),
        (directory, "no regular file"),
        (loop, "circle of links"),
        (link_out, "leads out of the root"),
        (link_to_secret, "leads out of the root"),
        (sparse, "1073741824 bytes; expected at most"),
        (deep, "does not parse"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_file_to_read_is_told(root: Path, tmp_path: Path, tamper: Tamper, words: str) -> None:
    """Whatever stands in a file's place: at once, and in words that name it."""
    path = root / "a" / "b" / "file"
    tamper(path, Outside(tmp_path / "outside"))
    with pytest.raises(HostError, match=words) as told:
        read_json(root, path, LIMIT)
    assert str(path) in str(told.value)


@pytest.mark.parametrize("target", ["/", "/etc", "../..", "b/../../..", "/proc/self/root"])
def test_a_directory_that_leads_out_is_not_walked(root: Path, target: str) -> None:
    """A link in the place of a directory, absolute or relative, ends the way at once; so it is for links read there."""
    (root / "a" / "out").symlink_to(target)
    for read in (lambda: read_file(root, root / "a" / "out" / "etc" / "passwd", LIMIT), lambda: out_link(root)):
        with pytest.raises(HostError, match="leads out of the root"):
            read()


def out_link(root: Path) -> str:
    """Read a link in a directory that leads out."""
    return read_link(root, root / "a" / "out" / "proc" / "self" / "exe")


def test_a_link_says_what_it_says(root: Path) -> None:
    """A link's text is read, not what it points to; a file is told to be none."""
    assert read_link(root, root / "current") == "a"
    assert read_link(root, root / "current" / "up") == "../a/b/file"
    with pytest.raises(HostError, match="is no link"):
        read_link(root, root / "a" / "b" / "file")


def test_only_a_regular_file_has_a_size(root: Path, tmp_path: Path) -> None:
    """A link whose text is as long as a file should be does not pass for it; nor does a FIFO for an empty one."""
    path = root / "a" / "b" / "file"
    assert file_size(path) == 8
    path.unlink()
    assert file_size(path) is None
    path.symlink_to("12345678")
    assert os.lstat(path).st_size == 8
    assert file_size(path) is None
    fifo(path, Outside(tmp_path / "outside"))
    assert file_size(path) is None


def test_no_descriptor_is_left_open(root: Path) -> None:
    """Whatever is refused, what was opened on the way is closed."""
    before = len(os.listdir("/proc/self/fd"))
    (root / "a" / "out").symlink_to("/etc")
    for _ in range(100):
        for name in ("a/out/passwd", "a", "a/absent"):
            with pytest.raises((HostError, FileNotFoundError)):
                open_file(root, root / name)
    assert len(os.listdir("/proc/self/fd")) == before


_SCRIPT = """
import sys
from pathlib import Path
from mirrord.errors import HostError
from mirrord.store.reading import read_file
root = Path(sys.argv[1])
for name in ("current/up", "a/out/passwd", "a/fifo", "a/absent"):
    try:
        print(read_file(root, root / name, 1 << 20).decode())
    except (HostError, FileNotFoundError) as error:
        print(error)
"""


@pytest.mark.parametrize("code", ["ENOSYS", "EPERM"])
def test_a_kernel_without_openat2_is_as_strict(root: Path, code: str) -> None:
    """Where the call is missing, or a sandbox forbids it, where a path leads is looked up first."""
    (root / "a" / "out").symlink_to("/etc")
    os.mkfifo(root / "a" / "fifo")
    command = [program("strace", "strace"), "-f", "-qq", "-o", os.devnull, "-e", f"inject=openat2:error={code}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", _SCRIPT, str(root)], capture_output=True, text=True, check=True, timeout=60
    )
    content, out, waiting, absent = done.stdout.splitlines()
    assert content == '{"x": 1}'
    assert "leads out of the root" in out
    assert "no regular file" in waiting
    assert "No such file" in absent
