"""Real clients of a registry, each with its files in a directory of its own."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs import program

_PATIENCE = 30.0


def run(*command: str | Path, timeout: float = 120) -> str:
    """Run a program to its end and give what it printed; fails with its errors where it failed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}{done.stdout}"
    return done.stdout


def skopeo(*arguments: str | Path) -> str:
    """Run skopeo."""
    return run(program("skopeo", "skopeo"), "--insecure-policy", *arguments)


def copy_all(source: str, target: str) -> None:
    """Copy an image with all its platforms from one plain-HTTP registry to another, every digest kept."""
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", "--all", "--preserve-digests", *plain, f"docker://{source}", f"docker://{target}")


def tags_of(repository: str) -> list[str]:
    """What `skopeo list-tags` says of a repository at a plain-HTTP registry."""
    listed: list[str] = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{repository}"))["Tags"]
    return listed


@dataclass(frozen=True, slots=True)
class Podman:
    """podman with a storage of its own."""

    place: Path

    def __call__(self, *arguments: str) -> str:
        """Run it."""
        own = ("--root", self.place / "root", "--runroot", self.place / "run", "--storage-driver", "vfs")
        return run(program("podman", "podman"), *own, *arguments)

    def pull(self, reference: str) -> str:
        """Pull from a plain-HTTP registry; gives the digest that podman kept."""
        self("pull", "--quiet", "--tls-verify=false", reference)
        digest: str = json.loads(self("image", "inspect", reference))[0]["Digest"]
        return digest


@dataclass(frozen=True, slots=True)
class Ctr:
    """containerd's ctr and the containerd it speaks to."""

    socket: Path

    def __call__(self, *arguments: str) -> str:
        """Run it."""
        return run(program("ctr", "containerd"), "--address", self.socket, *arguments)

    def pull(self, reference: str) -> str:
        """Pull from a plain-HTTP registry; gives the digest that containerd kept."""
        self("images", "pull", "--plain-http", "--snapshotter", "native", reference)
        lines: Sequence[str] = self("images", "ls", f"name=={reference}").splitlines()
        return lines[1].split()[2]


@contextlib.contextmanager
def podman() -> Iterator[Podman]:
    """A podman whose storage ends with the block (below a short path: it takes no runroot of over 50 characters)."""
    with tempfile.TemporaryDirectory(prefix="podman-") as place:
        yield Podman(Path(place))


@contextlib.contextmanager
def containerd(place: Path) -> Iterator[Ctr]:
    """Run a containerd with its files in ``place`` until the block ends."""
    socket = place / "c.sock"
    (place / "config.toml").write_text(
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'root = "{place / "root"}"\nstate = "{place / "state"}"\n[grpc]\naddress = "{socket}"\n'
        f'[ttrpc]\naddress = "{place / "t.sock"}"\n'
    )
    command: list[str | Path] = [program("containerd", "containerd"), "--config", place / "config.toml"]
    with (place / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert socket.exists(), f"containerd did not start: {(place / 'log').read_text()}"
            yield Ctr(socket)
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(place / "root", ignore_errors=True)
