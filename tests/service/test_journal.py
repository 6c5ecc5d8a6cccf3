"""The log in systemd's journal: each line with its priority."""

import os
import subprocess
import sys
from pathlib import Path

_LOG = """
import structlog
from mirrord import events
events.configure("debug")
log = structlog.get_logger()
log.debug("a"); log.info("b"); log.warning("c"); log.error("d")
"""


def logged(path: Path, stream: str) -> list[str]:
    """The lines of a process whose standard error is ``path``."""
    with path.open("wb") as file:
        found = os.fstat(file.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": stream.format(device=found.st_dev, inode=found.st_ino)}
        subprocess.run([sys.executable, "-c", _LOG], env=environment, stderr=file, check=True)
    return path.read_text().splitlines()


def test_priorities_in_the_journal(tmp_path: Path) -> None:
    """`journalctl -p err` finds errors, and nothing else."""
    assert [line[:4] for line in logged(tmp_path / "log", "{device}:{inode}")] == ["<7>{", "<6>{", "<4>{", "<3>{"]


def test_no_priorities_elsewhere(tmp_path: Path) -> None:
    """A log that was redirected stays JSON lines."""
    assert {line[0] for line in logged(tmp_path / "log", "{device}:0")} == {"{"}
