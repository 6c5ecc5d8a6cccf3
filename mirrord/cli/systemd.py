"""`mirrord systemd`: the unit with which systemd runs the daemon."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command


@command(app, "systemd")
def systemd(
    invocation: Invocation,
    *,
    user: Annotated[str, typer.Option("--user", help="The user that the daemon runs as, and its group.")] = "mirrord",
) -> None:
    """Print the unit with which systemd runs the daemon, for the config and the root that are in force here.

    It belongs to /etc/systemd/system/mirrord.service.
    """
    from mirrord.cli.setting import config_of
    from mirrord.config.loader import PLACES, find
    from mirrord.service.units import DEFAULT_ROOT, Unit

    config = config_of(invocation)
    root = invocation.root or (config.root if config else None) or DEFAULT_ROOT
    place = find(invocation.config) or PLACES[-1]
    own = shutil.which(sys.argv[0]) or "/usr/local/bin/mirrord"
    unit = Unit(root.absolute(), place.absolute(), Path(own).absolute(), user).render()
    if invocation.json:
        invocation.print_json("systemd", {"unit": unit})
    else:
        sys.stdout.write(unit)
