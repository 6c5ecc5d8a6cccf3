"""`mirrord gc`: what nothing needs any more goes, by the retention of the config."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.store.collect import Collected

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
    import asyncio

    from mirrord.cli.setting import config_of, root_of
    from mirrord.cli.writing import writing
    from mirrord.config.reserve import Reserve
    from mirrord.store.retention import Retention
    from mirrord.store.tree import Tree

    config = config_of(invocation)
    layout = Tree.at(root_of(invocation, config)).layout
    retention = Retention(**dict(config.retention)) if config else Retention()

    async def carry_out() -> "Collected":
        async with writing(layout, config.reserve if config else Reserve(size=0)) as store:
            return await store.collect(retention, is_dry=dry_run)

    found = asyncio.run(carry_out())
    if invocation.json:
        invocation.print_json("gc", _document(found, dry_run=dry_run))
    else:
        sys.stdout.write(_told(found, invocation.verbosity, dry_run=dry_run))
    if found.doubts:
        raise typer.Exit(FOUND)


def _told(found: "Collected", verbosity: int, *, dry_run: bool) -> str:
    from mirrord.cli.words import count, size
    from mirrord.store.collect import Level

    lines: list[str] = []
    for level in Level:
        victims = [victim for victim in found.victims if victim.level is level]
        if dry_run or verbosity > 0:
            lines += [f"{victim.level:<10} {victim.name}  ({victim.why})" for victim in victims[:_SHOWN]]
            lines += [f"{level:<10} … and {len(victims) - _SHOWN} more"] if len(victims) > _SHOWN else []
    lines += [f"kept: {doubt}" for doubt in found.doubts]
    lines += [f"left for later, a run has it in work: {name}" for name in found.skipped]
    counts = ", ".join(count(number, str(level)) for level, number in found.counts.items()) or "nothing"
    verb = "Would delete" if dry_run else "Deleted"
    lines.append(f"{verb} {counts}: {size(found.freed)}. {count(found.waiting, 'manifest')} unnamed, within the grace.")
    return "".join(f"{line}\n" for line in lines)


def _document(found: "Collected", *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "counts": {str(level): number for level, number in found.counts.items()},
        "bytes_freed": found.freed,
        "within_grace": found.waiting,
        "victims": [
            {"level": str(victim.level), "name": victim.name, "why": victim.why, "bytes": victim.freed}
            for victim in found.victims
        ],
        "doubts": found.doubts,
        "skipped": found.skipped,
    }
