"""System calls that change the tree or make it durable: the only module that calls fsync, link, rename or unlink.

Everything here blocks, so it runs on the store's worker threads. Every failure is a HostError that names the call,
the path and the reason; nothing here retries an fsync (after one failure the kernel may call lost bytes clean).
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mirrord.errors import HostError
from mirrord.store.failures import host_error, host_errors

DIRECTORY_MODE: Final = 0o755
PRIVATE_MODE: Final = 0o700
FILE_MODE: Final = 0o444
PUBLIC_MODE: Final = 0o644
"""Of files that are replaced, and that readers may see."""

_SYNC_FILE_RANGE_WRITE = 2
_TRIES = 5
_FICLONE = 0x40049409
_NO_SHARING = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EPERM})
_libc = ctypes.CDLL(None, use_errno=True)


class Barrier:
    """Makes everything written to a filesystem since it was opened durable: one syncfs, for one batch.

    Open it *before* the batch's first write and share it with nobody: a write-back error is reported once, and to
    this descriptor only. An error means that some file of the batch is lost, not which: discard the batch.
    """

    def __init__(self, directory: Path) -> None:
        with host_errors("open", directory):
            self._descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._path = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def wait(self) -> None:
        """Return when all is durable. Raises HostError when something was lost."""
        if _libc.syncfs(self._descriptor) != 0:
            code = ctypes.get_errno()
            raise host_error("sync the filesystem of", self._path, OSError(code, os.strerror(code)))


def sync_file(descriptor: int, path: Path | str) -> None:
    """Make a file's bytes durable, through the descriptor that wrote them."""
    with host_errors("sync", path):
        os.fsync(descriptor)


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing a range to disk. A hint: whether it worked is for the fsync to say."""
    _libc.sync_file_range(
        descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE)
    )


def sync_directory(path: Path) -> None:
    """Make a directory's names durable."""
    with host_errors("sync", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def create_file(path: Path | str, mode: int = FILE_MODE) -> int:
    """Create a file that must not exist, following no link; give its descriptor for writing."""
    with host_errors("create", path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, mode)
        os.fchmod(descriptor, mode)
        return descriptor


def write_all(descriptor: int, content: bytes | memoryview, path: Path | str) -> None:
    """Write all of ``content`` at the descriptor's position."""
    rest = memoryview(content)
    with host_errors("write", path):
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def write_file(
    path: Path | str, content: bytes | Iterable[bytes], *, mode: int = FILE_MODE, sync: bool = False
) -> None:
    """Create ``path`` with ``content``, or its pieces; with ``sync`` durable on return (its name is not)."""
    descriptor = create_file(path, mode)
    try:
        for piece in (content,) if isinstance(content, bytes) else content:
            write_all(descriptor, piece, path)
        if sync:
            sync_file(descriptor, path)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes | Iterable[bytes], *, mode: int) -> None:
    """Put ``content`` in place of ``path`` atomically and durably; what making a piece raises leaves all as it is."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    unlink(temporary, missing_ok=True)
    try:
        write_file(temporary, content, mode=mode, sync=True)
        rename(temporary, path)
    except HostError:
        with contextlib.suppress(HostError):  # a full disk: what there is of it must not stay
            unlink(temporary, missing_ok=True)
        raise
    sync_directory(path.parent)


def make_directory(path: Path, mode: int = DIRECTORY_MODE) -> bool:
    """Create one directory with exactly ``mode``; False where it was already there."""
    with host_errors("create the directory", path):
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            if not is_directory(path):
                message = f"{path} is no directory, or a link to one; expected one that mirrord made: remove it"
                raise HostError(message) from None
            return False
    set_mode(path, mode)
    return True


def set_mode(directory: Path, mode: int) -> None:
    """Give a directory exactly ``mode``: by descriptor, so that a link put in its place is not followed."""
    with host_errors("set the mode of", directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def mend_mode(path: Path, mode: int) -> None:
    """Give a file or directory exactly ``mode``, even where its own would not let it be opened; no link is followed."""
    with host_errors("set the mode of", path):
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
        finally:
            os.close(descriptor)


def is_directory(path: Path) -> bool:
    """Whether ``path`` is a directory itself, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_directories(path: Path, below: Path) -> list[Path]:
    """Create ``path`` and its missing parents up to ``below``; give the directories whose entries changed.

    A parent that is removed meanwhile (it was empty, and garbage collection pruned it) is made again. A link in the
    place of one is an error: it could lead out of the root.
    """
    changed: list[Path] = []
    for attempt in range(_TRIES):
        missing = [p for p in (path, *path.parents) if below in p.parents and not is_directory(p)]
        try:
            changed += [directory.parent for directory in reversed(missing) if make_directory(directory)]
        except HostError as error:
            if attempt + 1 == _TRIES or not isinstance(error.__cause__, FileNotFoundError):
                raise
        else:
            break
    return changed


def link(source: Path | str, target: Path | str) -> None:
    """Hardlink a regular file. Raises FileExistsError, FileNotFoundError and OSError(EMLINK) as they are."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOENT, errno.EMLINK}:
            raise
        raise host_error("link", target, error) from error


def link_symlinks(links: Mapping[str, str], source: Path, target: Path) -> None:
    """Have in ``target`` a symlink of each name that says what ``links`` has for it: a hardlink of ``source``'s.

    Where that says something else, or is no symlink, somebody tampered with it, and a fresh one is made.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    with host_errors("link into", target):
        from_directory = os.open(source, flags)
        try:
            to_directory = os.open(target, flags)
            try:
                for name, said in links.items():
                    _link_symlink(name, said, from_directory, to_directory)
            finally:
                os.close(to_directory)
        finally:
            os.close(from_directory)


def _link_symlink(name: str, said: str, source: int, target: int) -> None:
    try:
        if os.readlink(name, dir_fd=source) == said:
            os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            return
    except OSError as error:
        if error.errno not in {errno.EMLINK, errno.EINVAL, errno.ENOENT}:
            raise
    os.symlink(said, name, dir_fd=target)


def symlink(target: str, path: Path) -> None:
    """Create the symlink ``path`` that says ``target``."""
    with host_errors("create the link", path):
        os.symlink(target, path)


def rename(source: Path | str, target: Path | str) -> None:
    """Rename, replacing what is there."""
    with host_errors("rename to", target):
        os.rename(source, target)


def unlink(path: Path | str, *, missing_ok: bool = False) -> None:
    """Remove one file or link."""
    try:
        os.unlink(path)
    except FileNotFoundError as error:
        if not missing_ok:
            raise host_error("remove", path, error) from error
    except OSError as error:
        raise host_error("remove", path, error) from error


def remove_empty_directory(path: Path) -> bool:
    """Remove a directory where it is empty; False where it is not, or is not there."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            return False
        raise host_error("remove", path, error) from error
    return True


def remove_tree(path: Path) -> None:
    """Remove a directory and all in it, following no link; or one file."""
    with host_errors("remove", path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            os.unlink(path)


def share_blocks(source: int, target: int, path: Path) -> bool:
    """Give the empty file ``target`` (its name is ``path``) the blocks of ``source``; False where they can't be shared.

    Raises HostError where the filesystem can, and it failed.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NO_SHARING:
            return False
        raise host_error("share blocks with", path, error) from error
    return True


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes of ``source`` into the new file ``target``, durable on return."""
    descriptor = create_file(target)
    try:
        with host_errors("copy", source), open(source, "rb") as reader:
            while chunk := reader.read(1 << 20):
                write_all(descriptor, chunk, target)
        sync_file(descriptor, target)
    finally:
        os.close(descriptor)
