"""Running one program, and what it cost: time, processor, memory."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LAUNCH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")))
"""A Python that stays small, whose own 8 MB are the least that can be seen of a program's memory."""


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
    """Run ``command`` to its end. Raises SystemExit with what it said where it fails."""
    with (
        tempfile.TemporaryFile() as said,  # files: no pipe can fill up
        tempfile.TemporaryFile() as output,
        tempfile.NamedTemporaryFile() as figures,
    ):
        done = subprocess.run([*_LAUNCH, figures.name, *command], stdin=stdin, stdout=output, stderr=said, check=False)  # noqa: S603 - ours
        said.seek(0)
        output.seek(0)
        if done.returncode:
            words = said.read()[-2000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} failed: {words}")
        wall, cpu, peak = figures.read().split()
        return Cost(float(wall), float(cpu), int(peak), output.read().decode())
