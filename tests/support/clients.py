"""Real clients of a registry, each with its files in a directory of its own."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.programs import program

_PATIENCE = 30.0


def run(*command: str | Path, timeout: float = 120, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and give what it printed; fails with its errors where it failed."""
    surroundings = {**os.environ, **(environment or {})}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}{done.stdout}"
    return done.stdout


def skopeo(*arguments: str | Path, home: "Home | None" = None) -> str:
    """Run skopeo."""
    environment = home.environment if home else None
    return run(program("skopeo", "skopeo"), "--insecure-policy", *arguments, environment=environment)


def copy_all(source: str, target: str) -> None:
    """Copy an image with all its platforms from one plain-HTTP registry to another, every digest kept."""
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", "--all", "--preserve-digests", *plain, f"docker://{source}", f"docker://{target}")


def tags_of(repository: str) -> list[str]:
    """What `skopeo list-tags` says of a repository at a plain-HTTP registry."""
    listed: list[str] = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{repository}"))["Tags"]
    return listed


@dataclass(frozen=True, slots=True)
class Home:
    """A home directory with what Podman, Buildah and skopeo read of their configuration, and of logins."""

    place: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a program live there."""
        return {"HOME": str(self.place), "REGISTRY_AUTH_FILE": str(self.place / "auth.json")}

    def configure(self, written: Path) -> None:
        """Put what `mirrord clients podman --write` wrote where a user's configuration is."""
        shutil.copytree(written, self.place / ".config" / "containers", dirs_exist_ok=True)
        (self.place / "auth.json").write_text("{}")

    def log_in(self, host: str, user: str, password: str) -> None:
        """Keep a login, as `podman login` does."""
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        (self.place / "auth.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))


@dataclass(frozen=True, slots=True)
class Podman:
    """podman with a storage of its own."""

    place: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> str:
        """Run it."""
        return run(program("podman", "podman"), *self._own(), *arguments, environment=self.environment)

    def buildah(self, *arguments: str) -> str:
        """Run buildah, with the same storage."""
        return run(program("buildah", "buildah"), *self._own(), *arguments, environment=self.environment)

    def _own(self) -> tuple[str | Path, ...]:
        return ("--root", self.place / "root", "--runroot", self.place / "run", "--storage-driver", "vfs")

    def pull(self, reference: str) -> str:
        """Pull from a plain-HTTP registry; gives the digest that podman kept."""
        return self._pull(reference, "--tls-verify=false")

    def pull_as_configured(self, reference: str) -> str:
        """Pull as its configuration has it; gives the digest that podman kept."""
        return self._pull(reference)

    def _pull(self, reference: str, *options: str) -> str:
        self("pull", "--quiet", *options, reference)
        digest: str = json.loads(self("image", "inspect", reference))[0]["Digest"]
        return digest


@dataclass(frozen=True, slots=True)
class Ctr:
    """containerd's ctr and the containerd it speaks to."""

    socket: Path

    def __call__(self, *arguments: str) -> str:
        """Run it."""
        return run(program("ctr", "containerd"), "--address", self.socket, *arguments)

    def pull(self, reference: str, *options: str) -> str:
        """Pull (from a plain-HTTP registry, unless ``options`` are given); gives the digest that containerd kept."""
        self("images", "pull", *(options or ("--plain-http",)), "--snapshotter", "native", reference)
        lines: Sequence[str] = self("images", "ls", f"name=={reference}").splitlines()
        return lines[1].split()[2]


@contextlib.contextmanager
def podman(home: Home | None = None) -> Iterator[Podman]:
    """A podman whose storage ends with the block (below a short path: it takes no runroot of over 50 characters)."""
    with tempfile.TemporaryDirectory(prefix="podman-") as place:
        yield Podman(Path(place), home.environment if home else {})


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
