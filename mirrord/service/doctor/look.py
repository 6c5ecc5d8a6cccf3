"""Gathering the facts of this host: the process, the disk, nginx's files, the daemon. Changes nothing but a probe's."""

import grp
import os
import pwd
import re
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mirrord import __version__
from mirrord.config.model import Config
from mirrord.errors import HostError
from mirrord.service.doctor.facts import Disk, Entry, Host, Nginx, Reader, Service, SiteFile
from mirrord.service.remote import closed_place, find_daemon
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.tree import HeldManifest

_VERSION: Final = re.compile(r"nginx/([0-9]+(?:\.[0-9]+)*)")
_USER: Final = re.compile(r"^[ \t]*user[ \t]+([A-Za-z0-9_.-]+)", re.MULTILINE)
_MADE_BY: Final = "# Made by: mirrord nginx"
_ROOT: Final = re.compile(r'^[ \t]*root "([^"]+)";', re.MULTILINE)
_MAX_FILE: Final = 4 << 20
_MAX_FILES: Final = 2000
_PATIENCE: Final = 10.0
_USUAL_USERS: Final = ("www-data", "nginx", "http")


def look_at_host(config: Config) -> Host:
    """This process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Host(sys.version_info[:2], soft, config.limits.concurrency, os.geteuid())


def look_at_disk(root: Path, config: Config) -> Disk:
    """The root and its filesystem."""
    layout = Layout(root)
    try:
        if not root.is_dir():
            return Disk(root, is_there=False)
        found, marked = os.statvfs(root), layout.mark.exists()
        owner = os.stat(layout.mark if marked else root).st_uid
        kind, options, point = _mount(root)
    except OSError as error:
        return Disk(root, is_there=True, problem=f"can't be looked at: {error.strerror or error}")
    return Disk(
        root,
        is_there=True,
        is_marked=marked,
        owner=owner,
        filesystem=kind,
        options=options,
        mounted_at=point,
        free=found.f_bavail * found.f_frsize,
        reserve=config.reserve.bytes_of(found.f_blocks * found.f_frsize),
        inodes=found.f_files,
        inodes_free=found.f_favail,
        probe=_probe(layout) if marked and owner == os.geteuid() else None,
    )


def _probe(layout: Layout) -> str | None:
    """Why a link or a rename fails there; "" where both work; None before the first run has made the place for it."""
    if not layout.staging.is_dir():
        return None
    try:
        with tempfile.TemporaryDirectory(prefix=".probe.", dir=layout.staging) as directory:
            probe = Path(directory)
            durable.write_file(probe / "file", b"")
            durable.symlink("file", probe / "symlink")
            for name in ("file", "symlink"):
                durable.link(probe / name, probe / f"{name}.link")
            durable.rename(probe / "symlink.link", probe / "symlink")
    except (HostError, OSError) as error:
        return str(error)
    return ""


def _mount(root: Path) -> tuple[str, str, str]:
    """Type, options and mount point of the filesystem that ``root`` is on; "" for what is not told."""
    device = os.stat(root).st_dev
    wanted, found = f"{os.major(device)}:{os.minor(device)}", ("", "", "")
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
        fields = line.split()
        if fields[2] == wanted:
            kind = fields[fields.index("-") + 1].partition(".")[0]
            found = (kind, fields[5], fields[4].replace("\\040", " "))
            if Path(found[2]) in (root.resolve(), *root.resolve().parents):
                return found
    return found


def look_at_entries(layout: Layout, sample: HeldManifest | None) -> list[Entry]:
    """Whatever a reader passes on its way to a manifest; what this user can't look at itself is left out."""
    rooms = (layout.content, layout.generations, layout.snapshots, layout.status, layout.current)
    above = (*layout.root.parents, *layout.root.resolve().parents)  # a link leads to what has to be gone through, too
    paths = list(dict.fromkeys([*reversed(above), layout.root, *rooms]))
    if sample is not None:
        below = [each for each in reversed(sample.path.parents) if layout.content in each.parents]
        paths += [*below, sample.path]
    entries = []
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:
            continue
        is_directory = stat.S_ISDIR(found.st_mode)
        is_above = path in above
        mode = stat.S_IMODE(found.st_mode)
        entries.append(Entry(path, mode, found.st_uid, found.st_gid, is_directory, is_above))
    return entries


def look_at_nginx(directory: Path) -> Nginx:
    """The nginx that is installed, and the files of its configuration that mirrord made."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin")
    version: tuple[int, ...] = ()
    if program:
        try:
            command = [program, "-v"]
            told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603 - the host's own nginx
            named = _VERSION.search(told.stderr + told.stdout)
            version = tuple(map(int, named[1].split("."))) if named else ()
        except (OSError, subprocess.TimeoutExpired):
            version = ()
    sites, unreadable, user = [], [], ""
    for path in _files(directory):
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_FILE).decode(errors="replace")
        except OSError:
            unreadable.append(str(path))
            continue
        if path.name == "nginx.conf" and (said := _USER.search(text)):
            user = said[1]
        if _MADE_BY in text and (root := _ROOT.search(text)):
            sites.append(SiteFile(path, root[1]))
    named_user = user or next((each for each in _USUAL_USERS if _user(each)), "")
    return Nginx(version, directory, tuple(sites), _user(named_user), named_user, tuple(unreadable))


def _files(directory: Path) -> Iterator[Path]:
    """What may be configuration below ``directory``; a link is followed to a file, never into a directory."""
    count = 0
    for above, _, names in os.walk(directory):
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:
                return
            path = Path(above) / name
            if path.is_file():
                yield path


def _user(name: str) -> Reader | None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = {found.pw_gid, *(each.gr_gid for each in grp.getgrall() if name in each.gr_mem)}
    return Reader(name, found.pw_uid, frozenset(groups))


def look_at_service(root: Path, config: Config) -> Service:
    """The daemon that holds the root, and what systemd knows of it."""
    has_systemd = Path("/run/systemd/system").is_dir()
    unit = _is_enabled() if has_systemd else ""
    own = __version__
    try:
        daemon = find_daemon(root, config.control)
    except HostError as error:
        return Service(problem=str(error), has_systemd=has_systemd, unit=unit, own_version=own)
    if daemon is None:
        closed = closed_place(root, config.control) or ""
        return Service(closed=closed, has_systemd=has_systemd, unit=unit, own_version=own)
    about = daemon.about
    is_same = about.fingerprint in {"", config.fingerprint}
    return Service(
        answers=True,
        version=about.version,
        process=about.process,
        same_config=is_same,
        own_version=own,
        has_systemd=has_systemd,
        unit=unit,
    )


def _is_enabled() -> str:
    program = shutil.which("systemctl")
    if program is None:
        return ""
    command = [program, "is-enabled", "mirrord.service"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()
