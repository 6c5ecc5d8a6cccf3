"""Watching a process with strace, and letting one of its system calls fail, or be its last."""

import contextlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs import program

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
                strace.wait(60)
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
