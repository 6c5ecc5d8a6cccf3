"""A real dockerd, spoken to through its API: it pulls and keeps images, and runs none."""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from support.disk import LET_GO
from support.programs import program

_PATIENCE = 30.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the filesystem."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Dockerd:
    """A running daemon."""

    socket: Path

    def pull(self, reference: str, login: Mapping[str, str] | None = None) -> str:
        """Pull ``name:tag`` or ``name@digest``; gives the digest that the daemon kept. Fails where it did."""
        name, at, digest = reference.partition("@")
        tag = digest
        if not at:
            name, _, tag = reference.rpartition(":")
        secret = base64.urlsafe_b64encode(json.dumps(login).encode()).decode() if login else ""
        query = urlencode({"fromImage": name, "tag": tag})
        lines = self._ask("POST", f"/images/create?{query}", {"X-Registry-Auth": secret} if secret else {})
        errors = [line["error"] for line in map(json.loads, lines.splitlines()) if "error" in line]
        assert not errors, f"docker pull {reference}: {errors}"
        inspected: Any = json.loads(self._ask("GET", f"/images/{quote(reference)}/json", {}))
        return str(inspected["RepoDigests"][0]).partition("@")[2]

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        with contextlib.closing(_UnixConnection(self.socket)) as connection:
            connection.request(method, path, headers=dict(headers))
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return text


@contextlib.contextmanager
def dockerd(place: Path, written: Path) -> Iterator[Dockerd]:
    """Run dockerd with all its files in ``place`` (a short path), until the block ends; ``written`` is its /etc/docker.

    It has no network of its own and touches no firewall: it need not run containers.
    """
    api, own = place / "d.sock", place / "etc"
    shutil.copytree(written, own)
    # a mount that only this process sees: it looks for its configuration, and leaves a key, in /etc/docker alone
    command: list[str | Path] = [program("unshare", "util-linux"), "--mount", "sh", "-c"]
    command += [f'{LET_GO}; mount --bind "$0" /etc/docker && exec "$@"', own, program("dockerd", "docker.io")]
    command += ["--data-root", place / "data", "--exec-root", place / "exec", "--pidfile", place / "d.pid"]
    command += ["--host", f"unix://{api}", "--iptables=false", "--ip6tables=false", "--bridge=none"]
    command += ["--storage-driver=vfs"]
    environment = {**os.environ, "DOCKER_TMPDIR": str(place)}
    with (
        (place / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(api) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert _answers(api), f"dockerd did not start: {(place / 'log').read_text()}"
            yield Dockerd(api)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            shutil.rmtree(place / "data", ignore_errors=True)


def _answers(api: Path) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(_UnixConnection(api)) as connection:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    return False
