"""Whether the disk has room for what is to be fetched: the reserve stays free, and some inodes."""

import os
from typing import Final, Protocol

from mirrord.errors import HostError
from mirrord.store.failures import host_errors
from mirrord.store.layout import Layout

INODES_KEPT: Final = 1000
"""Inodes that stay free: a publication needs some, and so does whoever mends a full disk."""


class Reserve(Protocol):
    """How much of a filesystem stays free."""

    def bytes_of(self, total: int) -> int:
        """The bytes to keep free on a filesystem of ``total`` bytes."""


def require_room(layout: Layout, reserve: Reserve, size: int, what: str, promised: int) -> None:
    """Raise HostError where ``size`` bytes for ``what`` don't fit beside what is ``promised`` to downloads already."""
    with host_errors("look at", layout.staging):
        filesystem = os.statvfs(layout.staging)
    if filesystem.f_files and filesystem.f_favail < INODES_KEPT:
        raise HostError(
            f"no room for {what}: {filesystem.f_favail} inodes are free on {layout.root}, and {INODES_KEPT} "
            "are kept; free some files: what is served stays as it was"
        )
    free = filesystem.f_bavail * filesystem.f_frsize
    keep = reserve.bytes_of(filesystem.f_blocks * filesystem.f_frsize)
    if free - promised - size < keep:
        raise HostError(
            f"no room for {what} ({size} bytes): {free} bytes are free on {layout.root}, "
            f"{promised} of them promised to downloads under way, and {keep} are kept free (reserve:); "
            "free some space: what is served stays as it was"
        )
