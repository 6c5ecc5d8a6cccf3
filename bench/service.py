"""A sync by mirrord's service, as a schedule begins it: what it costs where mirrord runs already."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.child import run
from bench.measure import Corpus, Figure, configure
from bench.upstream import free_port

_WAIT = 20.0


def again(corpus: Corpus, root: Path) -> Figure:
    """One run of a service on a root that has it all: its own seconds, and the service's processor seconds."""
    config, log = configure(corpus, root), root.parent / "service.log"
    ours = f"listen: 127.0.0.1:{free_port()}\ndefaults: {{schedule: '@yearly'}}\n"
    config.write_text(ours + config.read_text())
    mirrord = str(Path(sys.executable).with_name("mirrord"))
    command = [mirrord, "run", "--config", str(config)]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:  # noqa: S603 - ours
        try:
            end = time.monotonic() + _WAIT
            while not (root / "control.sock").exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"mirrord run does not listen: {log.read_text()}")
                time.sleep(0.02)
            trigger = [mirrord, "trigger", "--config", str(config), "--json"]
            run(trigger)  # beside or after the one that it begins with
            before = _processor(process.pid)
            report = json.loads(run(trigger).output)["runs"]["default"]
            taken = _processor(process.pid) - before
            return Figure(report["seconds"], taken, _peak(process.pid), requests=report["requests"])
        finally:
            process.terminate()


def _processor(process: int) -> float:
    """Seconds of processor that a process has used, proc_pid_stat(5)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(process: int) -> int:
    """The most memory that a process has had, bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
