"""The command line as a whole: its commands, and what an error becomes on standard error and as exit status."""

import importlib
import io
import sys

import typer

from mirrord.cli.helping import Group
from mirrord.cli.invocation import globals_
from mirrord.errors import ConfigError, HostError, MirrordError

FOUND, WRONG, HOST = 1, 2, 3
"""Exit statuses: it met something; the command line or config is wrong; this host is at fault (130: interrupted)."""

app = typer.Typer(
    name="mirrord",
    cls=Group,
    help="Keep a chosen set of container images fresh and verified, as plain files that nginx serves as a registry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.callback()(globals_)

_FAMILIES = (
    "sync",
    "run",
    "status",
    "control",
    "images",
    "snapshots",
    "blocks",
    "upkeep",
    "verify",
    "check",
    "serve",
    "systemd",
    "clients",
    "misses",
    "doctor",
    "move",
    "demo",
)
"""Modules of this package, each of which registers its commands when it is imported; `--help` lists them so."""


def run() -> int:
    """Run the command that was typed and give its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: a name may hold what can't be written
    for family in _FAMILIES:
        importlib.import_module(f"mirrord.cli.{family}")
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except MirrordError as error:
        sys.stderr.write(f"mirrord: {error.owner}: {error}\n")
        return exit_status(error)
    return 0


def exit_status(error: MirrordError) -> int:
    """The status a command ends with when ``error`` ends it."""
    if isinstance(error, HostError):
        return HOST
    return WRONG if isinstance(error, ConfigError) else FOUND
