"""Failed system calls as the HostErrors that people read: what failed, on which path, why, and what to do."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mirrord.errors import HostError


@contextlib.contextmanager
def host_errors(action: str, path: Path | str) -> Iterator[None]:
    """Turn an OSError inside into a HostError such as ``cannot link /r/pool/…: No space left on device (…)``."""
    try:
        yield
    except OSError as error:
        raise host_error(action, path, error) from error


@contextlib.contextmanager
def any_host_error(root: Path) -> Iterator[None]:
    """Turn an OSError that nothing inside dealt with into a HostError: it is this host's disk, wherever it was."""
    try:
        yield
    except OSError as error:
        raise host_error("work on", str(error.filename or root), error) from error


def host_error(action: str, path: Path | str, error: OSError) -> HostError:
    """The HostError for one failed system call."""
    message = f"cannot {action} {path}: {error.strerror or error}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        message += f" ({_free(path)}); free some space: what is served stays as it was"
    elif error.errno == errno.EXDEV:
        message += "; the whole root must be one filesystem and one mount, so that bytes can be hardlinked"
    elif error.errno == errno.EROFS:
        message += "; the filesystem is mounted read-only"
    elif error.errno in {errno.EACCES, errno.EPERM}:
        message += "; the root and all in it must belong to the user that runs mirrord"
    elif error.errno in {errno.EMFILE, errno.ENFILE}:
        message += "; raise the limit of open files (ulimit -n, LimitNOFILE=)"
    return HostError(message)


def _free(path: Path | str) -> str:
    for candidate in (Path(path), *Path(path).parents):
        with contextlib.suppress(OSError):
            free = os.statvfs(candidate)
            return f"{free.f_bavail * free.f_frsize} bytes and {free.f_favail} inodes free"
    return "free space unknown"
