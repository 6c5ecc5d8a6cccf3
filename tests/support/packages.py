"""Building what mirrord is given away as, from a copy of this checkout."""

import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
_NAMES = ["mirrord", "scripts", "config", "systemd", "pyproject.toml", "README.md", "LICENSE"]


def copied(place: Path) -> Path:
    """A copy of the project that is no repository, with the Python packages that are installed for this one."""
    place.mkdir()
    for source in [*(PROJECT / name for name in _NAMES), *PROJECT.glob("requirements*.lock")]:
        if source.is_dir():
            shutil.copytree(source, place / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, place)
    (place / ".venv").symlink_to(PROJECT / ".venv")
    return place


def packaged(checkout: Path, what: str, **environment: str) -> str:
    """Build it by ``scripts/package``, and give the last line that is printed: where it is, or what it is called."""
    done = subprocess.run(
        [checkout / "scripts" / "package", what],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
