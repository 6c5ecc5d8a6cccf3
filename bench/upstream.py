"""The upstream that is measured against: Debian's docker-registry on a free port of 127.0.0.1, its files in memory."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_WAIT = 20.0


def program(name: str) -> str:
    """The path of a program, which the Debian package of the same name has. Raises SystemExit where it is missing."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing; as root: apt-get install {name}")
    return found


@contextlib.contextmanager
def running_registry(place: Path) -> Iterator[int]:
    """Run docker-registry with its files in ``place`` until the block ends; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    config = place / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {place / 'storage'}}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}"}}\n'
    )
    command = [program("docker-registry"), "serve", str(config)]
    log = place / "registry.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:  # noqa: S603 - ours
        try:
            _wait_for(port, process, log)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"docker-registry does not listen at port {port}: {log.read_text()}")
