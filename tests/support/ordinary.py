"""The real command as an ordinary user: no capability, and no way to get one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.programs import program

NOBODY = 65_534


def own(path: Path) -> None:
    """Give a directory and all in it to the ordinary user."""
    if os.geteuid() == 0:
        for directory, names, files in os.walk(path):
            for each in (directory, *(os.path.join(directory, name) for name in (*names, *files))):
                os.lchown(each, NOBODY, NOBODY)


def as_ordinary_user(command: Sequence[str]) -> list[str]:
    """``command`` for a user without any capability: as root, nobody; else whoever runs the tests."""
    strict = [program("setpriv", "util-linux"), "--no-new-privs", "--inh-caps=-all"]
    if os.geteuid() == 0:
        strict += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all"]
    return [*strict, "--", *command]


def run_ordinary(place: Path, *arguments: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    """Run `mirrord` in ``place`` as an ordinary user."""
    command = as_ordinary_user([sys.executable, "-m", "mirrord", *arguments])
    environment = {**os.environ, "NO_COLOR": "1", "HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=place, env=environment, umask=umask, capture_output=True, text=True, timeout=120, check=False
    )
