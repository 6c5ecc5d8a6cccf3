"""Running one program, and what it cost: time, processor, memory."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program cost."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor, in user and system mode, of all its threads and children."""
    peak: int
    """Bytes resident at most."""
    output: str
    """Its standard output."""


def run(command: Sequence[str], stdin: IO[bytes] | None = None) -> Cost:
    """Run ``command`` to its end. Raises SystemExit with what it said where it fails.

    The kernel counts the memory of whoever started a program to the program's peak, so the caller stays small.
    """
    begin = time.perf_counter()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe) as process:  # noqa: S603 - ours
        assert process.stdout  # noqa: S101 - for mypy: both are pipes
        assert process.stderr  # noqa: S101
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        said = process.stderr.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({process.returncode}): {said[-2000:].decode(errors='replace')}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.decode())
