"""What a hostile hand may put in the place of a file or directory of a root, and a place outside to be kept whole."""

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Tamper = Callable[[Path, "Outside"], None]
"""Puts something in the place of a path."""

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Outside:
    """A directory beside the root that nothing may read out of, write to, or remove."""

    directory: Path

    def takes(self, path: Path) -> Path:
        """Move what is at ``path`` here, as a copy of inodes of its own: a link to it would give what is expected."""
        self.directory.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", path, self.directory], check=True)
        clear(path)
        return self.directory / path.name

    def listing(self) -> Mapping[str, tuple[int, int, int, int]]:
        """Inode, mode, size and links of all in it."""
        found = {}
        for directory, _, names in os.walk(self.directory):
            for path in (directory, *(os.path.join(directory, name) for name in names)):
                status = os.lstat(path)
                found[path] = (status.st_ino, status.st_mode, status.st_size, status.st_nlink)
        return found


def clear(path: Path) -> None:
    """Have nothing at ``path``."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def fifo(path: Path, _outside: Outside) -> None:
    """Opening it waits for a writer who never comes."""
    clear(path)
    os.mkfifo(path)


def socket_file(path: Path, _outside: Outside) -> None:
    """Opening it fails in a way of its own."""
    clear(path)
    here = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{here}/{path.name[:60]}")  # a path of a socket is short
            os.rename(path.parent / path.name[:60], path)
    finally:
        os.close(here)


def directory(path: Path, _outside: Outside) -> None:
    """A directory, with something in it."""
    clear(path)
    (path / "within").mkdir(parents=True)


def loop(path: Path, _outside: Outside) -> None:
    """A link to itself."""
    clear(path)
    path.symlink_to(path.name)


def link_out(path: Path, outside: Outside) -> None:
    """A link to the genuine thing, which lies outside of the root now."""
    path.symlink_to(outside.takes(path))


def link_to_secret(path: Path, outside: Outside) -> None:
    """A link to a file that is no part of a mirror."""
    clear(path)
    outside.directory.mkdir(exist_ok=True)
    secret = outside.directory / "secret"
    secret.write_text(SECRET)
    path.symlink_to(secret)


def sparse(path: Path, _outside: Outside) -> None:
    """A GiB of nothing, which takes no disk but would take a GiB of memory."""
    clear(path)
    with path.open("wb") as file:
        file.truncate(GIB)


def empty(path: Path, _outside: Outside) -> None:
    """A file of no bytes."""
    clear(path)
    path.touch()


def deep(path: Path, _outside: Outside) -> None:
    """JSON that a reader can't follow."""
    clear(path)
    path.write_bytes(b'{"a":' + b"[" * 100_000)


def unreadable(path: Path, _outside: Outside) -> None:
    """Nobody but root may read it."""
    path.chmod(0)


SECRET = "the secret of a stranger's file"  # noqa: S105 - what must not be seen
EVERY: tuple[Tamper, ...] = (
    fifo, socket_file, directory, loop, link_out, link_to_secret, sparse, empty, deep, unreadable,
)  # fmt: skip


def writable_by_others(root: Path) -> list[str]:
    """Everything below ``root`` that its group or the world may write to; a link has no mode of its own."""
    return [
        f"{path} {stat.filemode(status.st_mode)}"
        for directory, names, files in os.walk(root)
        for path in (directory, *(os.path.join(directory, name) for name in (*names, *files)))
        if not stat.S_ISLNK((status := os.lstat(path)).st_mode) and status.st_mode & 0o022
    ]
