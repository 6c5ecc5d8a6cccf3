"""What is remembered of files: as long as they are the same, and no more than a limit."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mirrord.store.remembered import Remembered, identity_of, is_settled

SECOND = 1_000_000_000


class Reads:
    """Reads a file, and says how often it did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def __call__(self) -> str:
        """What is in it now."""
        self.count += 1
        return self.path.read_text()


def settle(known: Remembered[str], read: Reads) -> None:
    """Ask until the file is remembered: its filesystem's clock has to tick first."""
    for _ in range(500):
        before = read.count
        known.of(read, str(read.path))
        if read.count == before:
            return
        time.sleep(0.01)
    raise AssertionError(f"{read.path} is never remembered")


def rewritten(path: Path) -> None:
    """The same file, as long as before."""
    with path.open("r+") as file:
        file.write("other")


def replaced(path: Path) -> None:
    """Another file in its place, as long as that one and as old."""
    (new := path.with_name("new")).write_text("other")
    status = path.stat()
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.rename(path)


@pytest.mark.parametrize("change", [rewritten, replaced])
def test_a_file_is_read_again_once_it_is_another(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """Whatever wrote over it or put another in its place: what is remembered is what is there."""
    read = Reads(path := tmp_path / "file")
    path.write_text("first")
    known: Remembered[str] = Remembered(100, len)
    settle(known, read)
    assert known.of(read, str(path)) == "first"
    change(path)
    assert known.of(read, str(path)) == "other"


def test_a_file_that_is_gone_is_asked_for_each_time(tmp_path: Path) -> None:
    """Nothing is remembered of what is not there, and what reading raises comes through."""
    known: Remembered[str] = Remembered(100, len)
    read = Reads(tmp_path / "absent")
    assert identity_of(read.path) is None
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            known.of(read, str(read.path))
    assert read.count == 2


def test_no_more_is_remembered_than_the_limit(tmp_path: Path) -> None:
    """What was asked for longest ago goes first; what alone is above the limit is never remembered."""
    known: Remembered[str] = Remembered(10, len)
    reads = [Reads(tmp_path / name) for name in ("a", "b", "c", "long")]
    for read, text in zip(reads, ("aaaa", "bbbb", "cccc", "l" * 11), strict=True):
        read.path.write_text(text)
    a, b, c, long = reads
    settle(known, a)
    settle(known, b)
    known.of(a, str(a.path))
    settle(known, c)
    before = [read.count for read in reads]
    known.of(a, str(a.path))
    known.of(b, str(b.path))
    assert [read.count - count for read, count in zip(reads, before, strict=True)] == [0, 1, 0, 0]
    for _ in range(2):
        assert known.of(long, str(long.path)) == "l" * 11
    assert long.count == 2


@pytest.mark.parametrize(
    ("changed", "now", "settled"),
    [
        (7 * SECOND + 1, 7 * SECOND + 10_000_000, False),
        (7 * SECOND + 1, 7 * SECOND + 60_000_000, True),
        (7 * SECOND, 8 * SECOND, False),
        (7 * SECOND, 10 * SECOND, True),
        (9 * SECOND + 1, 7 * SECOND, False),
    ],
)
def test_a_change_within_a_tick_can_not_be_told(changed: int, now: int, settled: bool) -> None:  # noqa: FBT001 - a table
    """Not within a kernel's tick, nor within the second of a filesystem that keeps whole ones, nor from the future."""
    assert is_settled(changed, now) is settled
