"""Where the control socket is: making it, so that nobody but its group ever may open it, and connecting to it."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.layout import CONTROL

MODE: Final = 0o660
RUNTIME: Final = "RUNTIME_DIRECTORY"
"""Where a service keeps what ends with it, as systemd says."""
_LONGEST: Final = 100
"""Bytes of a path that an address of a socket surely takes."""
_BACKLOG: Final = 64
_PATIENCE: Final = 10.0


def places(root: Path | None, configured: Path | None) -> list[Path]:
    """Where the control socket of ``root`` may be, the likeliest first; a daemon makes it at the first."""
    found = [configured] if configured else []
    if runtime := os.environ.get(RUNTIME):
        found.append(Path(runtime.split(":")[0]) / CONTROL)
    if root is not None:
        found.append(root / CONTROL)
    return found


@contextlib.contextmanager
def listening(path: Path, root: Path) -> Iterator[socket.socket]:
    """A socket that listens at ``path`` until the end of the block, and the symlink in ``root`` by which it is found.

    What is stale there is replaced; blocks. Raises HostError: somebody answers there, or it is none of mirrord's.
    """
    _require_free(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.ExitStack() as made, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.lstat(temporary)
                durable.unlink(temporary)
            os.fchmod(listener.fileno(), MODE)  # what bind gives the file at most: it is never open to more
            with _reachable(temporary) as address:
                listener.bind(address)
            made.callback(durable.unlink, temporary, missing_ok=True)
            temporary.chmod(MODE)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise _unlistenable(path, error) from error
        durable.rename(temporary, path)
        made.callback(_unlink_own, path, os.lstat(path))
        made.enter_context(_linked(root / CONTROL, path))
        yield listener


def connect(path: Path, patience: float | None) -> socket.socket:
    """A connection to the socket at ``path``; blocks. Raises OSError where nobody answers, or it may not be opened."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(patience)
        with _reachable(path) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _linked(link: Path, path: Path) -> Iterator[None]:
    """Have ``link`` say where the socket is, where it is not there itself."""
    if _is_one(link.parent, path.parent) and link.name == path.name:
        yield
        return
    _require_free(link)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    durable.unlink(temporary, missing_ok=True)
    durable.symlink(os.path.abspath(path), temporary)
    durable.rename(temporary, link)
    found = os.lstat(link)
    try:
        yield
    finally:
        _unlink_own(link, found)


def _require_free(path: Path) -> None:
    try:
        found = os.lstat(path)
    except OSError:  # absent; what else it may be, binding tells
        return
    if not stat.S_ISSOCK(found.st_mode) and not stat.S_ISLNK(found.st_mode):
        raise HostError(f"{path} is no socket; expected the control socket, or nothing: move it out of the way")
    with contextlib.suppress(OSError):
        connect(path, _PATIENCE).close()
        raise HostError(f"at the control socket {path} another daemon answers; end it, or choose another: control:")


def _unlink_own(path: Path, own: os.stat_result) -> None:
    """Remove ``path`` unless somebody has put something else there."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if (found.st_ino, found.st_ctime_ns) == (own.st_ino, own.st_ctime_ns):  # numbers of inodes come again
            durable.unlink(path, missing_ok=True)


def _is_one(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(one, other)
    return False


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """``path`` as an address takes it: a long one through a descriptor of its directory."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def _unlistenable(path: Path, error: OSError) -> HostError:
    words = f"cannot listen at the control socket {path}: {error.strerror or error}"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        words += f"; this user must be able to write to {path.parent}, or choose another: control:"
    elif error.errno in {errno.ENOENT, errno.ENOTDIR}:
        words += f"; make the directory {path.parent}, or choose another: control:"
    return HostError(words)
