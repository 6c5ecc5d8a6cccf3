"""Configs for tests: written to a file and loaded, so that they are what a person could have."""

from pathlib import Path

from mirrord.config.loader import load
from mirrord.config.model import Config


def write_config(directory: Path, content: str, name: str = "mirrord.yaml") -> Path:
    """A config file in ``directory``."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def config_of(directory: Path, content: str) -> Config:
    """The config that ``content`` is."""
    return load(write_config(directory, content))
