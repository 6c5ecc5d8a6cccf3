"""The command line as a whole: its commands, and what an error becomes on standard error and as exit status."""

import importlib
import io
import sys
from collections.abc import Iterable, Mapping, Sequence

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

_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "sync": ("sync",),
    "run": ("run",),
    "status": ("status",),
    "control": ("reload", "trigger", "pause", "resume", "cancel"),
    "images": ("images", "init"),
    "snapshots": ("snapshots",),
    "blocks": ("block", "unblock", "remove"),
    "upkeep": ("gc",),
    "verify": ("verify",),
    "check": ("check", "config"),
    "serve": ("serve", "nginx"),
    "systemd": ("systemd",),
    "clients": ("clients",),
    "misses": ("misses",),
    "doctor": ("doctor",),
    "move": ("import", "adopt", "export", "load"),
    "demo": ("demo",),
}
"""Modules of this package, and the commands that each registers when it is imported; `--help` lists them so."""
_TAKE_A_WORD = frozenset({"--config", "--root"})
"""Global options that may stand before a command, and are followed by what they say."""


def run() -> int:
    """Run the command that was typed and give its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: a name may hold what can't be written
    for family in _families(sys.argv[1:]):
        importlib.import_module(f"mirrord.cli.{family}")
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except MirrordError as error:
        sys.stderr.write(f"mirrord: {error.owner}: {error}\n")
        return exit_status(error)
    return 0


def _families(arguments: Sequence[str]) -> Iterable[str]:
    """The modules of the command that was typed: typer makes every command that it knows of, a tenth of a start.

    All of them where none was typed, or an unknown one: for help, for completion, for what may have been meant.
    """
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            return [family for family, commands in _FAMILIES.items() if word in commands] or _FAMILIES
        if word == "--help":
            break
        if word in _TAKE_A_WORD:
            next(words, None)
    return _FAMILIES


def exit_status(error: MirrordError) -> int:
    """The status a command ends with when ``error`` ends it."""
    if isinstance(error, HostError):
        return HOST
    return WRONG if isinstance(error, ConfigError) else FOUND
