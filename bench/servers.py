"""What is compared at serving: nginx by mirrord's configuration, and docker-registry with the same images."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.load import Server
from bench.measure import HOST
from bench.upstream import free_port, program, running, wait_for
from mirrord.serve.nginx import NginxSite, render


def configuration(root: Path, port: int, workers: int) -> str:
    """What `mirrord nginx --standalone` prints for a root, with so many workers."""
    return replaced(
        render(NginxSite(root, f"127.0.0.1:{port}", standalone=True)),
        "worker_processes auto;",
        f"worker_processes {workers};",
    )


def replaced(text: str, line: str, other: str) -> str:
    """``text`` with ``other`` for each ``line``. Raises SystemExit where it has none."""
    if line not in text:
        raise SystemExit(f"the rendered configuration has no {line!r}: what is measured has to follow it")
    return text.replace(line, other)


@contextlib.contextmanager
def running_nginx(text: str, port: int, place: Path) -> Iterator[Server]:
    """Run nginx by a configuration that has it listen at ``port``; its files, also its log, are in ``place``."""
    place.mkdir(exist_ok=True)
    (place / "nginx.conf").write_text(text)
    nginx = program("nginx") if "/usr/sbin" in os.environ["PATH"] else "/usr/sbin/nginx"
    command = [nginx, "-e", "error.log", "-p", str(place), "-c", "nginx.conf", "-g", "daemon off;"]
    with subprocess.Popen(command) as process:  # noqa: S603 - ours
        try:
            wait_for("nginx", port, process, place / "error.log")
            yield Server(f"http://127.0.0.1:{port}/v2/{HOST}", process.pid)
        finally:
            process.terminate()


@contextlib.contextmanager
def running_registry(place: Path, processors: int) -> Iterator[Server]:
    """Run one more docker-registry over the images in ``place``, on so many processors."""
    port = free_port()
    limit = {"GOMAXPROCS": str(processors)}
    with running(place, f"served-by-{processors}", port, environment=limit) as process:
        yield Server(f"http://127.0.0.1:{port}/v2", process)
