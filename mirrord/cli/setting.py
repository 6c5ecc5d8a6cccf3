"""Which config and root a command works with: the options, then the config file, then a clear error."""

import shlex
import sys
from pathlib import Path

from mirrord.cli.invocation import Invocation
from mirrord.config.loader import PLACES, VARIABLE, find, load
from mirrord.config.model import Config
from mirrord.errors import ConfigError


def config_of(invocation: Invocation) -> Config | None:
    """The config, read; None where nobody names one and none lies where one is looked for.

    Says on standard error which file was read (with -v).
    """
    path = find(invocation.config)
    if path is None:
        return None
    config = load(path)
    if invocation.verbosity > 0:
        sys.stderr.write(f"mirrord: reading {path}\n")
    return config


def root_of(invocation: Invocation, config: Config | None) -> Path:
    """The root: ``--root``, else the config's. Raises ConfigError where there is neither."""
    if invocation.root is not None:
        return invocation.root
    if config is not None and config.root is not None:
        return config.root
    if config is not None:
        raise ConfigError("the config names no root; add root: DIR to it, or --root DIR to the command")
    places = ", ".join(str(place) for place in PLACES)
    raise ConfigError(
        f"no root: no config was found (${VARIABLE}, {places}); name one with --config FILE, or --root DIR"
    )


def syncing(invocation: Invocation, config: Config | None) -> str:
    """The command that mirrors into what this one works with: what only the command line names is in it."""
    words = ["mirrord sync"]
    if config is None:
        words.append("IMAGE…")
    for option, value in (("--config", invocation.config), ("--root", invocation.root)):
        if value is not None:
            words.append(f"{option} {shlex.quote(str(value))}")
    return " ".join(words)
