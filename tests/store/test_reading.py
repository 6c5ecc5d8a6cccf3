"""Reading what may be somebody else's by now: directories that are held open, and the files in them."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mirrord.store.reading import opened_directory, read_beneath


@pytest.mark.parametrize(
    ("call", "below"),
    [
        (lambda directory: read_beneath(directory, "absent", 10), "absent"),
        (lambda directory: os.readlink("absent", dir_fd=directory), "absent"),
        (lambda directory: os.lseek(directory, -1, os.SEEK_SET), ""),
    ],
)
def test_what_fails_in_an_open_directory_is_named_by_its_whole_path(
    tmp_path: Path, call: Callable[[int], object], below: str
) -> None:
    """An error says where: a name alone, or a descriptor's number, would be of no use to whoever has to look there."""
    with pytest.raises(OSError, match=re.escape(str(tmp_path))) as caught, opened_directory(str(tmp_path)) as directory:
        call(directory)
    assert Path(caught.value.filename) == tmp_path / below


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    """Where there is nothing, or a file, nothing is opened."""
    (tmp_path / "file").touch()
    for name in ("file", "none"):
        with pytest.raises(OSError, match=re.escape(f"'{tmp_path / name}'")), opened_directory(str(tmp_path / name)):
            pass


@pytest.mark.parametrize("size", [0, 1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 100_000])
def test_a_file_is_read_up_to_a_limit(tmp_path: Path, size: int) -> None:
    """Whatever its size, all of it or as much as is asked for."""
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    with opened_directory(str(tmp_path)) as directory:
        assert read_beneath(directory, "file", 1 << 20) == content
        assert read_beneath(directory, "file", 50_000) == content[:50_000]
        assert read_beneath(directory, "file", 10) == content[:10]


def test_no_link_is_followed_and_no_fifo_waited_for(tmp_path: Path) -> None:
    """What was put in a file's place since it was listed: an error, or nothing, at once."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    with opened_directory(str(tmp_path)) as directory:
        with pytest.raises(OSError, match="symbolic links"):
            read_beneath(directory, "link", 10)
        assert read_beneath(directory, "fifo", 10) == b""
