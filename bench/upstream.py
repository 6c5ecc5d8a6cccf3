"""The upstream that is measured against: Debian's docker-registry on a free port of 127.0.0.1, its files in memory."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.child import run

_WAIT = 20.0
_COUNTED = "registry_http_requests_total"


def program(name: str) -> str:
    """The path of a program, which the Debian package of the same name has. Raises SystemExit where it is missing."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing; as root: apt-get install {name}")
    return found


@dataclass(frozen=True, slots=True)
class Served:
    """A registry that runs."""

    port: int
    tls_port: int
    """The same content over TLS."""
    certificate: Path
    """What its TLS is trusted by."""
    counts: int
    """The port at which it counts its requests."""

    def requests(self) -> int:
        """The requests of registry clients so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.counts}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return round(sum(float(line.split()[-1]) for line in lines if line.startswith(_COUNTED)))


@contextlib.contextmanager
def running_registry(place: Path) -> Iterator[Served]:
    """Run docker-registry with its files in ``place`` until the block ends: in plain HTTP, and once more over TLS."""
    key, certificate = place / "key.pem", place / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    run([program("openssl"), "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(certificate)])
    tls = f", tls: {{certificate: {certificate}, key: {key}}}"
    served = Served(free_port(), free_port(), certificate, free_port())
    counting = f", debug: {{addr: '127.0.0.1:{served.counts}', prometheus: {{enabled: true}}}}"
    with running(place, "plain", served.port, counting), running(place, "tls", served.tls_port, tls):
        yield served


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    place: Path, name: str, port: int, more: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run one docker-registry on the files in ``place`` until the block ends; gives its process."""
    config = place / f"{name}.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {place / 'storage'}}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}"{more}}}\n'
    )
    command = [program("docker-registry"), "serve", str(config)]
    log = place / f"{name}.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}) as process,  # noqa: S603 - ours
    ):
        try:
            wait_for("docker-registry", port, process, log)
            yield process.pid
        finally:
            process.terminate()


def wait_for(what: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server listens. Raises SystemExit with its log where it does not."""
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"{what} does not listen at port {port}: {log.read_text()}")
