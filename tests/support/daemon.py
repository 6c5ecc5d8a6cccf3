"""`mirrord run` in a process of its own, as systemd runs it, and what it tells."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pytest
from support.closed import check_tree
from support.mirror import Mirror

PATIENCE = 60.0


@dataclass
class Daemon:
    """A daemon in a process of its own."""

    mirror: Mirror
    process: subprocess.Popen[bytes]
    states: socket.socket
    log: Path

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, mirror: Mirror) -> AsyncIterator[Self]:
        """Run it until the end of the block, and have it end well."""
        address = str(mirror.place / "notify")
        Path(address).unlink(missing_ok=True)
        log = mirror.place / "daemon.log"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as states, log.open("ab") as output:
            states.bind(address)
            states.settimeout(PATIENCE)
            environment = {**os.environ, **mirror.environment, "NOTIFY_SOCKET": address, "NO_COLOR": "1"}
            command = [sys.executable, "-m", "mirrord", "run", "--config", str(mirror.config)]
            process = _begun(command, mirror.place, environment, output)
            daemon = cls(mirror, process, states, log)
            try:
                await daemon.told("READY=1")
                yield daemon
                if process.poll() is None:
                    await daemon.end()
            finally:
                process.kill()
                process.wait()
        check_tree(mirror.root)

    async def told(self, words: str) -> str:
        """Wait until systemd is told something with ``words`` in it."""
        while True:
            try:
                state = (await asyncio.to_thread(self.states.recv, 4096)).decode()
            except TimeoutError:
                pytest.fail(f"systemd was not told {words}: {self.log.read_text()}")
            if words in state:
                return state

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it, and expect that it ends well."""
        self.process.send_signal(number)
        status = await asyncio.to_thread(self.process.wait, PATIENCE)
        assert status == 0, self.log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log about one kind of event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    async def happened(self, name: str, times: int = 1) -> list[dict[str, Any]]:
        """Wait for events in its log."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.events(name)) < times:  # noqa: ASYNC110 - it is another process's log
                await asyncio.sleep(0.02)
        return found


def _begun(
    command: list[str], place: Path, environment: dict[str, str], output: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=output)
