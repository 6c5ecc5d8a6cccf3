"""The real command, many times: each run is a fork of one process that has imported everything already."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENTRY = Path(__file__).parents[1] / "crash" / "entry.py"
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one command ended."""

    status: int
    """Its exit status; below 0, the signal that ended it."""
    words: str
    """What it said, on standard output and standard error."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that waits to be told to go, or goes."""

    process: int
    _channel: socket.socket
    _words: socket.socket
    _gate: int

    def go(self) -> None:
        """Let it begin."""
        os.write(self._gate, b"!")

    def wait(self) -> Ended:
        """Wait until it has ended."""
        said = b""
        while part := self._words.recv(1 << 16):
            said += part
        status = int(self._channel.recv(64))
        self._words.close()
        os.close(self._gate)
        return Ended(status, said.decode("utf-8", "replace"))

    def kill(self) -> None:
        """Kill it, unless it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        self.wait()


class Warm:
    """Runs `mirrord` commands, one at a time."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["Warm"]:
        """Have the process until the block ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
        command = [sys.executable, str(ENTRY), str(theirs.fileno())]
        with subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()]) as process:
            theirs.close()
            with ours:
                yield cls(ours)
            process.wait(_PATIENCE)

    def begin(self, place: Path, *arguments: str) -> Begun:
        """Have a command ready in ``place``; it begins when it is told to."""
        words, speaker = socket.socketpair()
        words.settimeout(_PATIENCE)
        waiting, gate = os.pipe()
        request = json.dumps({"place": str(place), "arguments": arguments}).encode()
        with speaker:
            socket.send_fds(self._channel, [request], [speaker.fileno(), waiting])
            process = int(self._channel.recv(64))
        os.close(waiting)
        return Begun(process, self._channel, words, gate)

    def run(self, place: Path, *arguments: str) -> Ended:
        """Run a command in ``place`` to its end."""
        run = self.begin(place, *arguments)
        run.go()
        return run.wait()
