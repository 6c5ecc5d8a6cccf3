"""Credential helpers for tests: real programs ``docker-credential-<name>`` in a directory of their own."""

import os
import sys
from pathlib import Path

import pytest


def install_helper(directory: Path, name: str, body: str) -> Path:
    """Put a helper into ``directory``; ``body`` is Python, with the server it is asked about as ``server``."""
    directory.mkdir(exist_ok=True)
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!{sys.executable}\nimport sys, time, os\nserver = sys.stdin.readline().strip()\n{body}\n")
    path.chmod(0o755)
    return path


def use_helpers(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let helpers in ``directory`` be found."""
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def answering(user: str, secret: str) -> str:
    """The body of a helper that has this login."""
    return f"""print('{{"ServerURL": "' + server + '", "Username": "{user}", "Secret": "{secret}"}}')"""
