"""What the facts of this host come to: pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from mirrord.service.doctor.facts import Disk, Entry, Host, Nginx, Service
from mirrord.service.doctor.finding import Finding, fine, note, wrong

PYTHON: Final = (3, 11)
NGINX: Final = (1, 22)
_FEW_FILES: Final = 256
"""Open files beside those of transfers: the tree, the log, connections of clients."""
_FILES_A_TRANSFER: Final = 4
_FEW_INODES: Final = 0.05
_TIGHT: Final = 2
"""Times the reserve: what is free below it is told."""
_REFUSED: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p"})
_DOUBTFUL: Final = frozenset({"overlay", "fuse", "fuseblk", "vfat", "exfat", "ntfs3"})
_BITS: Final = {0o1: "x", 0o4: "r", 0o5: "rx"}
_ENABLED: Final = frozenset({"enabled", "enabled-runtime", "static", "alias", "linked"})


def judge_host(host: Host) -> Iterator[Finding]:
    """Python and the limit of open files."""
    python = f"{host.python[0]}.{host.python[1]}"
    if host.python >= PYTHON:
        yield fine("host", "Python", python)
    else:
        yield wrong("host", "Python", python, f"install Python {PYTHON[0]}.{PYTHON[1]} or newer")
    needed = _FEW_FILES + _FILES_A_TRANSFER * host.concurrency
    if host.open_files >= needed:
        yield fine("host", "open files", f"a limit of {host.open_files:,}")
    else:
        saw = f"a limit of {host.open_files:,}; limits.concurrency {host.concurrency} may need {needed:,}"
        yield wrong(
            "host", "open files", saw, "raise it (ulimit -n; LimitNOFILE= in the unit), or lower the concurrency"
        )


def judge_disk(disk: Disk, euid: int) -> Iterator[Finding]:
    """The root and its filesystem."""
    if disk.problem:
        yield wrong("disk", str(disk.root), disk.problem, "run as the mirror's user, or as root")
        return
    if not disk.is_there:
        yield wrong("disk", str(disk.root), "no such directory", f"mount its disk, or: mirrord init {disk.root}")
        return
    if not disk.is_marked:
        saw = "it has no root.json, so it is no mirrord root (or its disk is not mounted)"
        yield wrong(
            "disk", str(disk.root), saw, f"mount its disk; if it is meant to become one: mirrord init {disk.root}"
        )
        return
    yield fine("disk", "root", f"{disk.root} is a mirrord root, on {disk.mounted_at}")
    yield _space(disk)
    yield _inodes(disk)
    yield _filesystem(disk)
    if disk.probe is None:
        saw = "not tried: this user may not write there" if disk.owner != euid else "not tried"
        yield note("disk", "hardlinks", saw, "run as the mirror's user to have them tried")
    elif disk.probe:
        yield wrong("disk", "hardlinks", disk.probe, "use one local filesystem with hardlinks: ext4, xfs or btrfs")
    else:
        yield fine("disk", "hardlinks", "a file and a symlink could be linked and renamed")


def _space(disk: Disk) -> Finding:
    saw = f"{_gib(disk.free)} free, {_gib(disk.reserve)} of it kept (reserve)"
    if disk.free <= disk.reserve:
        return wrong("disk", "space", saw, "free some space: nothing more is fetched; what is served stays")
    if disk.free < _TIGHT * disk.reserve:
        return note("disk", "space", saw, "it becomes tight; mirrord gc --dry-run says what could go")
    return fine("disk", "space", saw)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"


def _inodes(disk: Disk) -> Finding:
    if not disk.inodes:
        return fine("disk", "inodes", "the filesystem makes them as they are needed")
    saw = f"{disk.inodes_free:,} of {disk.inodes:,} free"
    if disk.inodes_free == 0:
        return wrong("disk", "inodes", saw, "remove many small files, or make the filesystem with more inodes")
    if disk.inodes_free < disk.inodes * _FEW_INODES:
        return note("disk", "inodes", saw, "it becomes tight; mirrord gc --dry-run says what could go")
    return fine("disk", "inodes", saw)


def _filesystem(disk: Disk) -> Finding:
    saw = f"{disk.filesystem or 'unknown'} ({disk.options or 'no options'})"
    if disk.filesystem in _REFUSED:
        return wrong("disk", "filesystem", saw, "locks and durable renames can't be relied on there; use a local disk")
    if "ro" in disk.options.split(","):
        return wrong("disk", "filesystem", saw, "it is mounted read-only: remount it, and look why in dmesg")
    if disk.filesystem in _DOUBTFUL:
        return note("disk", "filesystem", saw, "mirrord is at home on ext4, xfs and btrfs")
    return fine("disk", "filesystem", saw)


def judge_reading(nginx: Nginx, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Whether nginx's workers get to what they serve."""
    if not nginx.version:
        return
    if nginx.reader is None:
        if nginx.user:
            yield note(
                "permissions", "nginx's user", f"{nginx.user} is no user of this host", "correct `user` in nginx.conf"
            )
        return
    closed = next((each for each in entries if not nginx.reader.may(each)), None)
    if closed is None:
        yield fine("permissions", "the tree", f"{nginx.reader.name}, as nginx runs, may read it")
        return
    mend = f"chmod o+{_BITS[closed.needed]} {closed.path}"
    saw = f"{nginx.reader.name}, as nginx runs, may not read {closed.path} (mode {closed.mode:04o})"
    yield wrong("permissions", "the tree", saw, mend)


def judge_nginx(nginx: Nginx, root: str) -> Iterator[Finding]:
    """The nginx of this host, and whether it is told of this root."""
    if not nginx.version:
        do = "apt-get install nginx; or nothing, where nginx runs in a container or elsewhere, or the daemon serves"
        yield note("nginx", "installed", "no nginx on this host", do)
        return
    version = ".".join(map(str, nginx.version))
    if nginx.version < NGINX:
        yield wrong("nginx", "version", version, "use nginx 1.22 or newer")
    else:
        yield fine("nginx", "version", version)
    where = f"mirrord nginx > {nginx.directory}/conf.d/mirrord.conf && nginx -t && nginx -s reload"
    ours = [site for site in nginx.sites if site.root == root]
    others = [site for site in nginx.sites if site.root != root]
    if ours:
        yield fine("nginx", "configuration", f"{ours[0].path} serves {root}")
    elif others:
        yield wrong(
            "nginx", "configuration", f"{others[0].path} serves {others[0].root}, not {root}", f"make it again: {where}"
        )
    elif nginx.unreadable:
        yield note(
            "nginx", "configuration", f"{nginx.unreadable[0]} may not be read", "run as root to have it looked at"
        )
    else:
        yield note("nginx", "configuration", f"nothing in {nginx.directory} serves {root}", where)


def judge_service(service: Service) -> Iterator[Finding]:
    """The daemon, and whether it comes back after a boot."""
    if service.problem:
        yield wrong("service", "daemon", service.problem, "look at its log, and restart it")
    elif service.closed:
        yield note("service", "daemon", service.closed, "or run as the mirror's user")
    elif not service.answers:
        yield note(
            "service", "daemon", "none answers: nothing is synced by itself", "mirrord run, or systemctl start mirrord"
        )
    elif service.version != service.own_version:
        saw = f"process {service.process} is mirrord {service.version}, and this is {service.own_version}"
        yield note("service", "daemon", saw, "restart it: systemctl restart mirrord")
    elif not service.same_config:
        saw = f"process {service.process} answers, by the config as it was when it read it"
        yield note("service", "daemon", saw, "have it read again: mirrord reload")
    else:
        yield fine("service", "daemon", f"process {service.process} answers, by the config as it is")
    if service.has_systemd:
        if service.unit in _ENABLED:
            yield fine("service", "unit", f"mirrord.service is {service.unit}")
        else:
            saw = f"mirrord.service is {service.unit or 'not installed'}: it does not come back after a boot"
            yield note("service", "unit", saw, "mirrord systemd --help says how; then systemctl enable --now mirrord")
