"""Filesystems of a test's own: an ext4 whose power can be cut, and one in memory that fills up. They need root."""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.programs import program

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN."""
_NO_FLUSH = 2
"""Nothing more reaches the disk, not even the journal's running transaction."""
_SIZE = 512 << 20
"""From this size on mkfs chooses blocks of 4 KiB by itself, as on a real disk."""
_PATIENCE = 10.0


def _require_root() -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts filesystems: run it as root")


LET_GO = """awk '$1 ~ "^/dev/loop" {print $2}' /proc/self/mounts | xargs --no-run-if-empty umount --lazy"""
"""For the beginning of who has a copy of all mounts: to let go of those that tests beside it made, and will unmount."""


@contextlib.contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """Mount, and unmount at the end; the last argument is the mount point."""
    subprocess.run(["mount", *arguments], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


@dataclass(frozen=True, slots=True)
class Disk:
    """An ext4 in a file, mounted at ``point``."""

    image: Path
    point: Path

    @classmethod
    @contextlib.contextmanager
    def made(cls, place: Path) -> Iterator["Disk"]:
        """A new one, of zeros, below ``place`` until the block ends."""
        _require_root()
        disk = cls(place / "image", place / "disk")
        disk.point.mkdir()
        with open(disk.image, "wb") as file:
            file.truncate(_SIZE)
        _do(program("mkfs.ext4", "e2fsprogs"), "-q", "-b", "4096", str(disk.image))
        disk.mount()
        try:
            yield disk
        finally:
            disk.unmount()
            disk.image.unlink()
            disk.point.rmdir()

    def mount(self) -> None:
        """Mount it; after a cut its journal is replayed."""
        _do("mount", "-o", "loop", str(self.image), str(self.point))

    def unmount(self) -> None:
        """Unmount it, once those that used it are gone: also a mount namespace that was copied meanwhile."""
        _unmount(self.point)
        end = time.monotonic() + _PATIENCE
        while subprocess.run(["losetup", "-j", str(self.image)], capture_output=True, check=True).stdout:
            assert time.monotonic() < end, f"{self.point} stays mounted in another mount namespace"
            time.sleep(0.01)

    def sync(self) -> None:
        """Make durable what is there."""
        _do("sync", "-f", str(self.point))

    def commit(self) -> None:
        """Let a stranger's file be made durable: ext4 commits everybody's names with it, but nobody's bytes."""
        with contextlib.suppress(OSError):  # the power was cut meanwhile
            descriptor = os.open(self.point / "stranger", os.O_WRONLY | os.O_CREAT)
            try:
                os.write(descriptor, b"strange")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def cut(self) -> None:
        """Cut its power: what is not on the disk is lost, and every call fails from now on."""
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """Have it as it is when the power is back."""
        self.unmount()
        self.mount()


@contextlib.contextmanager
def memory(point: Path, size: str) -> Iterator[None]:
    """A filesystem in memory of ``size`` at ``point`` until the block ends."""
    _require_root()
    point.mkdir()
    _do("mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "mirrord-test", str(point))
    try:
        yield
    finally:
        _unmount(point)
        point.rmdir()


def resize(point: Path, size: str) -> None:
    """Give a filesystem in memory another size."""
    _do("mount", "-o", f"remount,size={size}", str(point))


def _unmount(point: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while subprocess.run(["umount", str(point)], capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < end, f"{point} can't be unmounted: somebody uses it"
        time.sleep(0.01)


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
