"""`mirrord gc`: what nothing needs any more goes, by the retention of the config."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

_SHOWN = 50
"""Lines of one level; the rest is counted."""


@command(app, "gc")
def gc(
    invocation: Invocation,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and why; delete nothing.")] = False,
) -> None:
    """Delete what no snapshot that stays needs: old snapshots first, and what only they named after its grace.

    Exit status 1 where something could not be proved to be garbage: it stays, and is named.
    """
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.collect import Collect

    reply = carry_out(Mirror.existing(invocation), Collect(words=typed(), dry_run=dry_run))
    if invocation.json:
        invocation.print_json("gc", reply.document)
    else:
        sys.stdout.write(_told(reply.document, invocation.verbosity))
    raise typer.Exit(reply.status)


def _told(found: Mapping[str, Any], verbosity: int) -> str:
    from mirrord.cli.words import count, size
    from mirrord.store.collect import Level

    lines: list[str] = []
    for level in Level:
        victims = [victim for victim in found["victims"] if victim["level"] == level]
        if found["dry_run"] or verbosity > 0:
            lines += [f"{level:<10} {victim['name']}  ({victim['why']})" for victim in victims[:_SHOWN]]
            lines += [f"{level:<10} … and {len(victims) - _SHOWN} more"] if len(victims) > _SHOWN else []
    lines += [f"kept: {doubt}" for doubt in found["doubts"]]
    lines += [f"left for later, a run has it in work: {name}" for name in found["skipped"]]
    counts = ", ".join(count(number, level) for level, number in found["counts"].items()) or "nothing"
    verb, waiting = "Would delete" if found["dry_run"] else "Deleted", count(found["within_grace"], "manifest")
    lines.append(f"{verb} {counts}: {size(found['bytes_freed'])}. {waiting} unnamed, within the grace.")
    return "".join(f"{line}\n" for line in lines)
