"""Podman and Buildah in a copy of this host: network and mounts end with each command, the storage with the copy."""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from support.packages import PROJECT
from support.programs import program
from support.sandbox import Sandbox

from mirrord import __version__

_BEFORE = """
mkdir -p /etc/containers
cat >/etc/containers/storage.conf <<END
[storage]
driver = "overlay"
runroot = "/run/containers"
graphroot = "{place}/containers"
END
cat >/etc/containers/containers.conf <<END
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
END
export BUILDAH_ISOLATION=chroot PROJECT={project} VERSION={version}
set -E
trap 'echo "ended with $?: $BASH_COMMAND"' ERR
trap 'set +e; {{ podman pod rm -af; podman rm -af; podman volume rm -af; }} >/dev/null 2>&1' EXIT
"""
"""Nothing that reaches out of the copy: no systemd, no journal, no locks in memory that is shared."""


@dataclass(frozen=True, slots=True)
class Containers:
    """A copy of this host with containers in it; images stay from one script to the next, all else ends with each."""

    sandbox: Sandbox

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator["Containers"]:
        """Make one, without images; it goes with the block."""
        for name, package in (("podman", "podman"), ("buildah", "buildah"), ("runc", "runc")):
            program(name, package)
        with Sandbox.made() as sandbox:
            yield cls(sandbox)

    def run(self, script: str) -> str:
        """Run a script by bash, and give what it printed; containers and volumes that it leaves are removed."""
        before = _BEFORE.format(place=self.sandbox.place, project=shlex.quote(str(PROJECT)), version=__version__)
        done = self.sandbox.run(before + script, timeout=400)
        assert done.returncode == 0, done.stdout
        return done.stdout
