"""Running one program, and what it cost: time, processor, memory."""

import os
import subprocess
import tempfile
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
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as output:  # files: no pipe can fill up
        with subprocess.Popen(command, stdin=stdin, stdout=output, stderr=said) as process:  # noqa: S603 - ours
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output.seek(0)
        if process.returncode:
            words = said.read()[-2000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} failed ({process.returncode}): {words}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read().decode())
