"""A real nginx that runs the rendered configuration on a free port."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from support.programs import program

from mirrord.serve.nginx import NginxSite, render

PACKAGE = "nginx-light"
_ATTEMPTS = 5
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: its port, and the directory with its logs."""

    port: int
    directory: Path

    def access_log(self, target: str) -> list[dict[str, Any]]:
        """The documents it logged of requests for ``target``; waits for the first: lines are written once a second."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            lines = (self.directory / "mirrord.log").read_text(errors="replace").splitlines()
            found = [document for line in lines if (document := json.loads(line))["target"] == target]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def error_log(self) -> str:
        """All that it complained of, but for the limit of open files, which the host sets."""
        lines = (self.directory / "error.log").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if "setrlimit(RLIMIT_NOFILE" not in line)


def check_configuration(configuration: Path, directory: Path) -> str:
    """What ``nginx -t`` says of a file; fails where it refuses it."""
    command = [program("nginx", PACKAGE), "-t", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    return tested.stderr


@contextmanager
def running(site: NginxSite, directory: Path) -> Iterator[Nginx]:
    """Run nginx for ``site`` (on a free port, whatever it says) with its files in ``directory``, until the end."""
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        (directory / "nginx.conf").write_text(render(replace(site, listen=f"127.0.0.1:{port}", standalone=True)))
        command = [
            program("nginx", PACKAGE),
            "-e",
            "error.log",
            "-p",
            str(directory),
            "-c",
            "nginx.conf",
            "-g",
            "daemon off;",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                if _ready(process, port):
                    yield Nginx(port, directory)
                    return
            finally:
                process.terminate()
        log = (directory / "error.log").read_text()
        if attempt == _ATTEMPTS or "Address already in use" not in log:
            pytest.fail(f"nginx did not start: {log}")


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it listens; False where it ended instead."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except ConnectionRefusedError:
            time.sleep(0.01)
    return False
