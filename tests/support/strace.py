"""Watching a process with strace, and letting one of its system calls fail, or be its last."""

import contextlib
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs import program

_PATIENCE = 30.0
_LINE = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\(")


@dataclass(frozen=True, slots=True)
class Injection:
    """What happens at the ``when``-th of the ``calls`` of a thread (strace counts for each call and thread)."""

    calls: tuple[str, ...]
    what: str
    """As strace says it: ``signal=SIGKILL``, ``error=ENOSPC``, ``retval=0``."""
    when: str = ""
    """``N``, ``N+`` or nothing: each."""

    def __str__(self) -> str:
        return f"inject={','.join(self.calls)}:{self.what}" + (f":when={self.when}" if self.when else "")


@contextlib.contextmanager
def traced(process: int, log: Path, calls: Sequence[str], *injections: Injection) -> Iterator[None]:
    """Trace ``calls`` of a process and its threads into ``log`` until it ends; it is attached when the block begins."""
    options = [option for injection in injections for option in ("-e", str(injection))]
    command = [program("strace", "strace"), "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(calls)}"]
    command += [*options, "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr
        said = strace.stderr.readline()
        assert "attached" in said, f"{' '.join(command)}: {said}{strace.stderr.read()}"
        try:
            yield
        finally:
            try:
                strace.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                strace.kill()
                raise


def counted(log: Path) -> dict[int, Counter[str]]:
    """By thread, how often each call was begun."""
    found: dict[int, Counter[str]] = {}
    for line in log.read_text("utf-8", "replace").splitlines():
        if begun := _LINE.match(line):
            found.setdefault(int(begun["thread"]), Counter())[begun["call"]] += 1
    return found


def wait_until_stopped(process: int, log: Path) -> None:
    """Wait until a process that is traced into ``log`` has stopped by the SIGSTOP that was injected."""
    end = time.monotonic() + _PATIENCE
    while "stopped by SIGSTOP" not in log.read_text("utf-8", "replace") or not _rests(process):
        assert time.monotonic() < end, f"process {process} was not stopped"
        time.sleep(0.001)


def _rests(process: int) -> bool:
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return all(state in {"t", "T"} for state in states)
