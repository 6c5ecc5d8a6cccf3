"""A copy of this host to do as one likes in, as root: its own files, processes and network; nothing of it stays."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.disk import LET_GO
from support.programs import program

_ENTER = r"""
set -euo pipefail
place=$1; shift
@LET_GO@
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
cd "$place/root"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs var/tmp
ip link set lo up
# Not chroot: what enters a namespace later (podman exec) would find itself in the host's root.
pivot_root . mnt
umount --lazy /mnt
exec "$@"
""".replace("@LET_GO@", LET_GO)
"""What happens in the new namespaces before anything else: the host's root below, and whatever is written above it."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The host once more, in ``place``; what was changed is below ``place/upper`` after each command."""

    place: Path

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator["Sandbox"]:
        """Make one, in memory so that what it syncs waits for nobody else's disk; it goes with the block."""
        with tempfile.TemporaryDirectory(prefix="sandbox-", dir="/dev/shm") as place:
            for name in ("upper", "work", "root"):
                (Path(place) / name).mkdir()
            yield cls(Path(place))

    @property
    def changed(self) -> Path:
        """Where the files that were changed lie; one that was deleted is a character device."""
        return self.place / "upper"

    def run(self, script: str, *, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Run it by bash, as root; every process of it ends with it."""
        own = [program("unshare", "util-linux"), "--mount", "--net", "--pid", "--fork", "--kill-child"]
        return subprocess.run(
            [*own, "bash", "-c", _ENTER, "enter", str(self.place), "bash", "-euo", "pipefail", "-c", script],
            env={"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
