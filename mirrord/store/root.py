"""One root directory: marking it, opening it for the one writer, and the probes that say it can hold a mirror."""

import contextlib
import errno
import fcntl
import json
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.store import durable
from mirrord.store.failures import any_host_error, host_error, host_errors
from mirrord.store.layout import FORMAT, LOCK, Layout
from mirrord.store.reading import MAX_MARK, parsing, read_json
from mirrord.store.sweep import sweep

_log = get_logger()

_REFUSED = {"nfs", "nfs4", "cifs", "smb3", "9p"}
_DOUBTFUL = {"overlay", "fuse", "fuseblk", "vfat", "exfat", "ntfs3"}
_SHOWN = 500
_OTHERS_MAY_NOT = 0o077
"""Of a room's mode, what is mended where it is more than was promised."""


class InUseError(HostError):
    """Another process is the root's writer."""


class Root(Struct, frozen=True):
    """A root held by this process as its one writer."""

    layout: Layout
    next_sequence: int
    """The number the next publication may take: above every snapshot and generation on disk."""


def create(path: Path) -> Layout:
    """Make ``path`` (absent or an existing directory) and mark it as a root; a root stays as it is."""
    layout = Layout(path)
    with host_errors("look at", path):
        present = path.is_dir()
        if not present and not path.parent.is_dir():
            raise HostError(
                f"cannot create {path}: its parent {path.parent} is absent; create it, or mount its disk first"
            )
    if not present:
        _appear(layout)
    elif not layout.mark.exists():
        _mark(layout)
    durable.sync_directory(path.parent)
    _make_rooms(layout)
    return layout


def _appear(layout: Layout) -> None:
    """Make an absent root by one rename, marked already: a kill must not leave a directory that counts as a stranger's.

    Whoever was quicker has made it; what an earlier attempt left is taken up.
    """
    made = Layout(layout.root.with_name(f".{layout.root.name}.new"))
    try:
        durable.make_directory(made.root)
        _mark(made)
        durable.rename(made.root, layout.root)
    except HostError:
        if not layout.mark.exists():
            raise
        if durable.is_directory(made.root):
            durable.remove_tree(made.root)


def _mark(layout: Layout) -> None:
    durable.replace_file(layout.mark, mark_of(_now()), mode=0o644)


def mark_of(created: str) -> bytes:
    """The bytes of the mark of a root made at that time."""
    return json.dumps({"schema": "mirrord.root/1", "format": FORMAT, "created": created}).encode() + b"\n"


@contextlib.contextmanager
def hold(path: Path, command: str) -> Iterator[Root]:
    """Hold ``path`` as its one writer until the end of the block: lock, checks, probes, and the sweep of dead runs.

    An absent root is created. Raises HostError: not a root, another writer (named), another user's, two filesystems,
    a filesystem without hardlinks, a newer format.
    """
    os.umask(0o022)
    layout = Layout(path)
    if not os.path.lexists(path):
        create(path)
    with _locked(layout):
        with any_host_error(layout.root):
            _check_mark(layout)
            _name_holder(layout.root / LOCK, {"pid": os.getpid(), "command": command, "since": _now()})
            _make_rooms(layout)
            _check_rooms(layout)
            _check_filesystem(layout)
            durable.sync_directory(layout.root)  # `current` may be a dead run's swap: durable before anything goes
            root = Root(layout, sweep(layout) + 1)
        yield root


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Flock the directory itself: nobody can unlink that; the file ``lock`` only says who holds it."""
    with host_errors("open", layout.root):
        if not layout.root.is_dir():
            raise HostError(f"{layout.root} is not a directory; expected a mirrord root")
        descriptor = os.open(layout.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise host_error("lock", layout.root, error) from error
            raise InUseError(
                f"{layout.root} is in use by {_holder(layout)}; there can be one writer at a time"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _name_holder(path: Path, holder: Mapping[str, object]) -> None:
    durable.unlink(path, missing_ok=True)  # never written through: it may be a link, or a FIFO, or named elsewhere too
    durable.write_file(path, json.dumps(holder).encode() + b"\n", mode=0o644)


def _holder(layout: Layout) -> str:
    path = layout.root / LOCK
    try:
        holder = read_json(layout.root, path, MAX_MARK)
        with parsing(path):
            told = f"`{holder['command']}` (process {holder['pid']}, since {holder['since']})"
            return "".join(character if character.isprintable() else " " for character in told[:_SHOWN])
    except (FileNotFoundError, HostError):
        return "another process"


def _check_mark(layout: Layout) -> None:
    root = layout.root
    try:
        mark: Any = read_json(layout.root, layout.mark, MAX_MARK)
        with parsing(layout.mark):
            form = int(mark["format"])
    except FileNotFoundError:
        raise HostError(
            f"{root} has no {layout.mark.name}, so it is not a mirrord root (or its disk is not mounted); "
            f"if it is meant to become one: mirrord init {root}"
        ) from None
    if form > FORMAT:
        raise HostError(f"{root} has format {form}, newer than the {FORMAT} this mirrord knows; use the newer mirrord")
    if (owner := os.lstat(layout.mark).st_uid) != os.geteuid():
        raise HostError(
            f"{root} belongs to {_user(owner)}, and this is {_user(os.geteuid())}; run: sudo -u {_user(owner)} "
            + " ".join(["mirrord", *sys.argv[1:]])
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def rooms_of(layout: Layout) -> Mapping[Path, int]:
    """Every directory that a root has from its beginning, and its mode."""
    pool = layout.root / "pool"
    rooms = (layout.content, layout.generations, layout.snapshots, layout.status)
    public = (pool, pool / "sha256", pool / "sha512", *rooms)
    private = (layout.staging, layout.trash, layout.state)
    return dict.fromkeys(public, durable.DIRECTORY_MODE) | dict.fromkeys(private, durable.PRIVATE_MODE)


def _make_rooms(layout: Layout) -> None:
    made = [durable.make_directory(directory, mode) for directory, mode in rooms_of(layout).items()]
    if any(made):
        with durable.Barrier(layout.root) as barrier:
            barrier.wait()


def _check_rooms(layout: Layout) -> None:
    """Close what others could write into, and refuse what would lead a write out of the root."""
    for directory, mode in rooms_of(layout).items():
        found = os.lstat(directory)
        if found.st_uid != os.geteuid():
            raise HostError(f"{directory} belongs to {_user(found.st_uid)}; expected {_user(os.geteuid())}: chown it")
        if stat.S_IMODE(found.st_mode) & ~mode & _OTHERS_MAY_NOT:
            durable.set_mode(directory, mode)
            _log.warning("root.mode_mended", path=str(directory), found=f"{stat.S_IMODE(found.st_mode):04o}")
    found = os.stat(layout.root)
    if found.st_uid not in {0, os.geteuid()}:
        raise HostError(f"{layout.root} belongs to {_user(found.st_uid)}, who could put anything into it: chown it")
    if found.st_mode & stat.S_IWOTH:
        _log.warning("root.writable_by_others", root=str(layout.root), mend=f"chmod o-w {layout.root}")
    for algorithm in ("sha256", "sha512"):
        for entry in os.scandir(layout.root / "pool" / algorithm):
            if entry.is_symlink():
                raise HostError(f"{entry.path} is a link, and bytes would be kept wherever it leads: remove it")


def _check_filesystem(layout: Layout) -> None:
    """Do once, in `staging/`, what every run relies on: a link of a file and of a symlink, and names that keep case."""
    kind, inner = _mounts(layout.root)
    if inner:
        raise HostError(
            f"{inner} is a mount of its own inside {layout.root}: the root would be on two filesystems (or two mounts "
            "of one), and bytes could not be hardlinked; make it one, or mount the whole root there"
        )
    device = layout.root.stat().st_dev
    for room in (layout.root / "pool", layout.content, layout.generations, layout.snapshots, layout.staging):
        if room.stat().st_dev != device:  # a subvolume has no mount of its own
            raise HostError(f"{room} is on another filesystem than {layout.root}; the whole root must be on one")
    if kind in _REFUSED:
        raise HostError(
            f"{layout.root} is on {kind}: locks and durable renames can't be relied on there; use a local disk"
        )
    if kind in _DOUBTFUL:
        _log.warning("root.doubtful_filesystem", root=str(layout.root), filesystem=kind)
    with tempfile.TemporaryDirectory(prefix=".probe.", dir=layout.staging) as directory:
        probe = Path(directory)
        durable.write_file(probe / "file", b"")
        durable.symlink("file", probe / "symlink")
        for name in ("file", "symlink"):
            with host_errors("hardlink", probe / name):
                durable.link(probe / name, probe / f"{name}.link")
        if not (probe / "symlink.link").is_symlink():
            raise HostError(f"{layout.root} is on a filesystem that can't hardlink a symlink; use ext4, xfs or btrfs")
        if (probe / "FILE").exists():
            raise HostError(f"{layout.root} is on a filesystem that ignores case: tags would collide; use ext4 or xfs")


def _mounts(root: Path) -> tuple[str, str]:
    """The type of the filesystem ``root`` is on, and a mount point inside it; "" for what there is not."""
    real, device = root.resolve(), root.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kind = inner = ""
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
        fields = line.split()
        if fields[2] == wanted:
            kind = fields[fields.index("-") + 1].partition(".")[0]
        point = Path(fields[4].replace("\\040", " "))
        if real in point.parents:
            inner = str(point)
    return kind, inner


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
