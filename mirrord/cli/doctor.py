"""`mirrord doctor`: looking for what is wrong, through the public address too, and saying what to do."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.service.doctor.finding import Finding


@command(app)
def doctor(
    invocation: Invocation,
    *,
    nginx: Annotated[Path, typer.Option("--nginx", metavar="DIR", help="Where nginx's configuration is.")] = Path(
        "/etc/nginx"
    ),
) -> None:
    """Look for what is wrong with the mirror: host, disk, permissions, nginx, service, clock, DNS, upstreams.

    It pulls an image through public_url as a client would. Each line says how something stands (ok, warn, fail), what
    was found, and what to do. Exit status: 0 nothing has failed; 1 something is to be done.
    """
    import asyncio

    from mirrord.cli.running import set_up_log
    from mirrord.cli.setting import config_of, root_of
    from mirrord.config.model import Config
    from mirrord.service.doctor.examine import examine
    from mirrord.service.doctor.finding import Grade

    config = config_of(invocation)
    root = Path(os.path.abspath(root_of(invocation, config)))
    set_up_log(config or Config(), invocation)
    findings = asyncio.run(examine(root, config or Config(), nginx))
    counts = {str(grade): sum(each.grade is grade for each in findings) for grade in Grade}
    if invocation.json:
        invocation.print_json("doctor", {"findings": [each.document() for each in findings], "counts": counts})
    else:
        _print(findings, verbosity=invocation.verbosity)
    if counts[Grade.FAIL]:
        raise typer.Exit(FOUND)


def _print(findings: "Sequence[Finding]", *, verbosity: int) -> None:
    from mirrord.cli.words import plain
    from mirrord.service.doctor.finding import Grade

    lines = []
    for each in findings:
        if each.grade is Grade.OK and verbosity < 0:
            continue
        lines.append(f"{each.grade:<5} {each.area}: {each.what}: {each.saw}")
        if each.do:
            lines.append(f"      do: {each.do}")
    counted = [f"{sum(each.grade is grade for each in findings)} {grade}" for grade in Grade]
    lines.append(f"{len(findings)} things looked at: {', '.join(counted)}")
    sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))
