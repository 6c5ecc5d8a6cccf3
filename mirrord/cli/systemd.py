"""`mirrord systemd`: the unit with which systemd runs the daemon."""

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command


class Printed(StrEnum):
    """What is printed."""

    UNIT = "unit"
    SYSUSERS = "sysusers"
    TMPFILES = "tmpfiles"


@command(app, "systemd")
def systemd(
    invocation: Invocation,
    *,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="The user that the daemon runs as, and its group.")
    ] = "mirrord",
    part: Annotated[
        Printed,
        typer.Option(
            "--print",
            help="What to print: the unit, the user (sysusers.d), or the directories in /etc (tmpfiles.d).",
        ),
    ] = Printed.UNIT,
) -> None:
    """Print the unit with which systemd runs the daemon, for the config and the root that are in force here.

    It belongs to /etc/systemd/system/mirrord.service; what it needs goes to /etc/sysusers.d/mirrord.conf
    and /etc/tmpfiles.d/mirrord.conf.
    """
    from mirrord.cli.setting import config_of
    from mirrord.config.loader import PLACES, find
    from mirrord.service.units import DEFAULT_ROOT, Unit

    config = config_of(invocation)
    root = invocation.root or (config.root if config else None) or DEFAULT_ROOT
    place = find(invocation.config) or PLACES[-1]
    own = shutil.which(sys.argv[0]) or "/usr/local/bin/mirrord"
    unit = Unit(root.absolute(), place.absolute(), Path(own).absolute(), user)
    texts = {Printed.UNIT: unit.render(), Printed.SYSUSERS: unit.user_entry(), Printed.TMPFILES: unit.directories()}
    if invocation.json:
        invocation.print_json("systemd", {str(name): text for name, text in texts.items()})
    else:
        sys.stdout.write(texts[part])
