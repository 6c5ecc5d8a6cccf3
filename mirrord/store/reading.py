"""Reading files of the tree as if somebody had tampered with it: what every reader of a root goes through.

Only regular files of a bounded size are read. A link inside the root (``current``, a snapshot's) is followed; one that
leads out of it is refused by the kernel itself (openat2(2), RESOLVE_BENEATH), so that no moment is left between looking
and opening. Nothing waits: opening a FIFO would, for its writer.
"""

import contextlib
import ctypes
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mirrord.errors import HostError, MirrordError

MAX_LIST: Final = 192 << 20
"""Bytes of a tag list or catalog: a million tags, the most that are taken, come to two thirds of it."""
MAX_RECORD: Final = 512 << 20
"""Bytes of a record or a referrers document: each subject's descriptors may have a manifest's size."""
MAX_NOTE: Final = 64 << 20
"""Bytes of what runs remember."""
MAX_MARK: Final = 64 << 10
"""Bytes of a root's mark, and of the words in its lock."""

ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""What the kernel says where nothing has that name."""

_OPENAT2 = 437  # the same on every architecture
_RESOLVE_BENEATH = 0x08
_SHOWN = 200
_SMALL = 16 << 10
"""Bytes of most manifests: one read has them, and their end."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ATTEMPTS = 1000
"""How often a look-up is made that a rename anywhere on the host disturbed (openat2(2), EAGAIN)."""
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    """``struct open_how``."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_file(root: Path, path: Path) -> int:
    """Open the regular file ``path`` below ``root`` for reading, and give its descriptor.

    Raises FileNotFoundError where nothing has that name, and HostError for anything but a file that may be read.
    """
    descriptor = _open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise HostError(f"{path} is no regular file; expected what a publication wrote: remove what is there")
    return descriptor


def read_file(root: Path, path: Path, limit: int) -> bytes:
    """All of the regular file ``path`` below ``root``, of ``limit`` bytes at most. Raises as `open_file` does."""
    descriptor = open_file(root, path)
    try:
        size = os.fstat(descriptor).st_size
        if size > limit:
            raise HostError(f"{path} has {size} bytes; expected at most {limit}: it is not what a publication wrote")
        with _told(path):
            return _read(descriptor, size)
    finally:
        os.close(descriptor)


def read_json(root: Path, path: Path, limit: int) -> Any:  # noqa: ANN401 - JSON
    """The JSON document in ``path``. Raises as `read_file` does, and HostError for what is none."""
    content = read_file(root, path, limit)
    with parsing(path):
        return json.loads(content)


def read_link(root: Path, path: Path) -> str:
    """What the symlink ``path`` below ``root`` says. Raises FileNotFoundError, and HostError for what is no link."""
    directory = _open_beneath(root, path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        return os.readlink(path.name, dir_fd=directory)
    except ValueError as error:  # a name with a NUL is nothing's
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise HostError(f"{path} is no link; expected one that a publication made: remove what is there") from error
        if error.errno in ABSENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise _refusal(path, error) from error
    finally:
        os.close(directory)


@contextlib.contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """A descriptor of a directory, for system calls that take names in it. An OSError inside names the whole path."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield directory
    except OSError as error:
        within = error.filename if isinstance(error.filename, str) else ""
        error.filename = os.path.join(path, within) if within else path  # as the kernel would have named it
        raise
    finally:
        os.close(directory)


def read_beneath(directory: int, name: str, limit: int) -> bytes:
    """The first ``limit`` bytes of the file ``name`` in an open directory; no link is followed. Raises OSError."""
    descriptor = os.open(name, _READ, dir_fd=directory)
    try:
        read = os.read(descriptor, min(limit, _SMALL))
        if len(read) < _SMALL:
            return read
        return read + _read(descriptor, min(limit, os.fstat(descriptor).st_size) - len(read))
    finally:
        os.close(descriptor)


def file_size(path: str | Path) -> int | None:
    """Bytes of the regular file ``path``; None where there is none: no link, FIFO or directory in its place counts."""
    try:
        found = os.lstat(path)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise _refusal(Path(path), error) from error
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextlib.contextmanager
def parsing(path: Path) -> Iterator[None]:
    """Turn what a torn or hostile document makes its reader raise into a HostError that names ``path``."""
    try:
        yield
    except HostError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MirrordError) as error:
        reason = _reason(error)
        raise HostError(f"{path} can't be read: it does not parse ({reason}); expected what mirrord wrote") from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)[:_SHOWN]


def _open_beneath(root: Path, path: Path, flags: int) -> int:
    with _told(path):
        above = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _openat2(above, os.fsencode(path.relative_to(root)), flags | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in {errno.ENOSYS, errno.EPERM}:
                raise
        finally:
            os.close(above)
        return _open_checked(root, path, flags | os.O_CLOEXEC)


def _openat2(directory: int, name: bytes, flags: int) -> int:
    how = _How(flags, 0, _RESOLVE_BENEATH)
    code = errno.ENOENT if b"\0" in name else errno.EAGAIN  # C would take the name to end there
    for _ in range(0 if b"\0" in name else _ATTEMPTS):
        descriptor = int(_libc.syscall(_OPENAT2, directory, name, ctypes.byref(how), ctypes.sizeof(how)))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code not in {errno.EAGAIN, errno.EINTR}:
            break
    raise OSError(code, os.strerror(code))


def _open_checked(root: Path, path: Path, flags: int) -> int:
    """The same without openat2, which an old kernel or a sandbox lacks: look where it leads, then open that."""
    real = os.path.realpath(path)
    if os.path.commonpath([real, os.path.realpath(root)]) != os.path.realpath(root):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return os.open(real, flags | os.O_NOFOLLOW)


def _read(descriptor: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.read(descriptor, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in ABSENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> HostError:
    match error.errno:
        case errno.EXDEV:
            return HostError(f"{path} leads out of the root by a link, which is not followed: remove that link")
        case errno.ELOOP:
            return HostError(f"{path} leads in a circle of links: remove them")
        case errno.ENXIO | errno.ENODEV:
            return HostError(f"{path} is no regular file; expected what a publication wrote: remove what is there")
    return HostError(f"{path} can't be read: {error.strerror}; check its owner, mode and disk")
