"""The pool: every byte once, under its digest. Verified, durable files get their names here, and links leave here."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.reading import file_size

_log = get_logger()

_FEW = 8
"""Up to so many files are fsynced one by one: a syncfs also waits for every stranger's dirty page."""


class SmallFile(Struct, frozen=True):
    """Content held in memory whose digest has been checked: a config, a small layer, a manifest."""

    digest: Digest
    content: bytes


def size_in_pool(layout: Layout, digest: Digest) -> int | None:
    """Bytes of the pool's file for ``digest``; None where there is none (a link or FIFO in its place is none)."""
    return file_size(layout.pooled_text(digest))


def begin_grace(layout: Layout, digest: Digest) -> None:
    """Let a file of the pool that nothing links to yet count as new: its grace is counted from its ctime."""
    durable.mend_mode(layout.pooled(digest), durable.FILE_MODE)


def add_small(layout: Layout, files: Sequence[SmallFile]) -> None:
    """Put a batch into the pool: write all, make all durable (B1), then give names.

    Raises HostError: then nothing of the batch got a name, and its bytes are gone.
    """
    staged = [(file, f"{layout.staging}/{file.digest}.new") for file in files]
    one_by_one = len(files) <= _FEW
    try:
        with durable.Barrier(layout.staging) as barrier:
            for file, path in staged:
                durable.write_file(path, file.content, sync=one_by_one)
            if not one_by_one:
                barrier.wait()
        for file, path in staged:
            adopt(layout, path, file.digest, len(file.content))
    finally:
        for _, path in staged:
            durable.unlink(path, missing_ok=True)


def adopt(layout: Layout, staged: Path | str, digest: Digest, size: int) -> None:
    """Give a verified, durable file of ``staging/`` its name in the pool; the staging name is gone afterwards.

    A file that is there already stays, unless its size is wrong: then the verified bytes replace it, and it is told.
    """
    pooled = layout.pooled_text(digest)
    try:
        _link_making_room(staged, pooled)
    except FileExistsError:
        found = file_size(pooled)
        if found != size:
            _log.warning("store.damage_replaced", path=str(pooled), found=found, expected=size)
            durable.rename(staged, pooled)
            return
    durable.unlink(staged)


def _link_making_room(staged: Path | str, pooled: str) -> None:
    try:
        durable.link(staged, pooled)
    except FileNotFoundError:
        durable.make_directory(Path(pooled).parent)
        durable.link(staged, pooled)


def link_out(layout: Layout, digest: Digest, size: int, target: Path | str) -> bool:
    """Link the pool's file for ``digest`` to ``target``. False where the pool has no such file (of that size).

    A wrong-sized file at ``target`` is replaced by rename. At the filesystem's limit of links to one file, a fresh
    copy takes the pool's name first, so that the pool keeps a file that can be linked.
    """
    pooled = layout.pooled_text(digest)
    if size_in_pool(layout, digest) != size:
        return False
    try:
        durable.link(pooled, target)
    except FileExistsError:
        found = file_size(target)
        if found != size:
            _log.warning("store.damage_replaced", path=str(target), found=found, expected=size)
            return _replace_by_link(layout, pooled, target)
    except FileNotFoundError:
        if file_size(pooled) is None:
            return False
        durable.make_directories(Path(target).parent, layout.root)
        durable.link(pooled, target)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        _renew(layout, digest)
        durable.link(pooled, target)
    return True


def _replace_by_link(layout: Layout, pooled: str, target: Path | str) -> bool:
    temporary = f"{layout.staging}/{os.path.basename(target)}.link"
    durable.unlink(temporary, missing_ok=True)
    durable.link(pooled, temporary)
    durable.rename(temporary, target)
    return True


def _renew(layout: Layout, digest: Digest) -> None:
    copy = layout.staging / f"{digest}.copy"
    durable.unlink(copy, missing_ok=True)
    durable.copy_file(layout.pooled(digest), copy)
    durable.rename(copy, layout.pooled(digest))
