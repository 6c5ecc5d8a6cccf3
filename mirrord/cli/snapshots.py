"""`mirrord snapshots`: the publications there were, how they differ, and going back to one."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command
from mirrord.cli.writing import mirror_of, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirrord.store.history import TagChange

group = typer.Typer(help="List publications, compare them, go back to one.", no_args_is_help=True)
app.add_typer(group, name="snapshots")

_SHOWN = 100
IdOption = Annotated[str, typer.Argument(metavar="ID", help="A snapshot's number or name.")]


@command(group, "list")
def list_(invocation: Invocation) -> None:
    """List the snapshots on disk, newest first: when, why, how much, which is served, held, pinned."""
    from rich.table import Table

    from mirrord.cli.words import console
    from mirrord.store.history import all_snapshots
    from mirrord.store.hold import read_hold, read_pins
    from mirrord.store.snapshot import served_name

    layout, _ = mirror_of(invocation)
    current, hold, pins = served_name(layout), read_hold(layout), read_pins(layout)
    found = all_snapshots(layout)[::-1]
    if invocation.json:
        rows = [
            {"name": each.name, "served": each.name == current, "pinned": each.name in pins, **each.document()}
            for each in found
        ]
        invocation.print_json("snapshots", {"hold": str(hold) if hold else None, "snapshots": rows})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("snapshot", "published", "repositories", "tags", "", "why"):
        table.add_column(column, overflow="fold")
    for each in found:
        marks = [word for word, is_so in (("served", each.name == current), ("pinned", each.name in pins)) if is_so]
        counts = (str(len(each.generations)), str(each.tags))
        when = f"{each.published:%Y-%m-%d %H:%M:%S}"
        table.add_row(each.name, when, *counts, ", ".join(marks), each.reason.text)
    console().print(table)
    if hold:
        console().print(str(hold))


@command(group, "diff")
def diff(
    invocation: Invocation,
    *,
    old: Annotated[str | None, typer.Argument(metavar="[A]", help="Default: the one before B.")] = None,
    new: Annotated[str | None, typer.Argument(metavar="[B]", help="Default: the served one.")] = None,
) -> None:
    """Show which tags were added, removed and moved from snapshot A to snapshot B."""
    from mirrord.store.history import differences, find_snapshot, parent_of, served

    layout, _ = mirror_of(invocation)
    after = served(layout) if new is None else find_snapshot(layout, new)
    before = parent_of(layout, after) if old is None else find_snapshot(layout, old)
    changes = differences(layout, before.generations, after.generations)
    if invocation.json:
        rows = [each.document() for each in changes]
        invocation.print_json("snapshots.diff", {"old": before.name, "new": after.name, "changes": rows})
        return
    sys.stdout.write(f"from {before.name} to {after.name}:\n")
    _print_changes(changes)


@command(group, "rollback")
def rollback(
    invocation: Invocation,
    *,
    target: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: the one before the served.")] = None,
    repository: Annotated[str | None, typer.Argument(metavar="[REPOSITORY]", help="Only this one.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Serve an earlier snapshot again, wholly or for one repository, and hold it there until `release`.

    What differs is shown first. One rename does it; the snapshots in between stay.
    """
    import asyncio

    from mirrord.errors import ConfigError
    from mirrord.store.history import find_snapshot, one_before
    from mirrord.store.publish import Publication
    from mirrord.store.rollback import plan_rollback

    layout, reserve = mirror_of(invocation)
    found = one_before(layout) if target is None else find_snapshot(layout, target)
    plan = plan_rollback(layout, found, repository)
    if not invocation.json:
        sys.stdout.write(f"going back to {found.name}{f' for {repository}' if repository else ''} means:\n")
        _print_changes(plan.changes)
    if not yes:
        if invocation.json or not sys.stdin.isatty():
            raise ConfigError("nobody is here to confirm a rollback; say --yes if it is meant")
        typer.confirm("Serve that, and hold it until `mirrord snapshots release`?", abort=True)

    async def carry_out() -> Publication | None:
        async with writing(layout, reserve) as store:
            return await store.roll_back(found.name, repository)

    done = asyncio.run(carry_out())
    if invocation.json:
        rows = [each.document() for each in plan.changes]
        name = done.snapshot if done else None
        invocation.print_json("snapshots.rollback", {"target": found.name, "snapshot": name, "changes": rows})
    else:
        what = f"Served as {done.snapshot}" if done else "It is what is served"
        sys.stdout.write(f"{what}; held until: mirrord snapshots release\n")


@command(group, "release")
def release(invocation: Invocation) -> None:
    """End a rollback: the next sync publishes again what the upstreams have."""
    import asyncio

    from mirrord.store.hold import release_hold

    layout, reserve = mirror_of(invocation)

    async def carry_out() -> bool:
        async with writing(layout, reserve) as store:
            return await store.run(lambda: release_hold(layout))

    was_held = asyncio.run(carry_out())
    if invocation.json:
        invocation.print_json("snapshots.release", {"released": was_held})
    else:
        sys.stdout.write("Released; the next sync publishes again.\n" if was_held else "Nothing was held.\n")


@command(group, "pin")
def pin(invocation: Invocation, *, snapshot: IdOption) -> None:
    """Keep a snapshot, and all that it names, whatever the retention says."""
    _pin(invocation, snapshot, wanted=True)


@command(group, "unpin")
def unpin(invocation: Invocation, *, snapshot: IdOption) -> None:
    """Leave a pinned snapshot to the retention again."""
    _pin(invocation, snapshot, wanted=False)


def _pin(invocation: Invocation, text: str, *, wanted: bool) -> None:
    import asyncio

    from mirrord.store.history import find_snapshot
    from mirrord.store.hold import read_pins, write_pins

    layout, reserve = mirror_of(invocation)

    async def carry_out() -> tuple[str, frozenset[str]]:
        async with writing(layout, reserve) as store:  # a collection must not come between looking and writing
            name = (await store.run(lambda: find_snapshot(layout, text))).name
            before = await store.run(lambda: read_pins(layout))
            pins = before | {name} if wanted else before - {name}
            await store.run(lambda: write_pins(layout, pins))
            return name, pins

    name, pins = asyncio.run(carry_out())
    if invocation.json:
        invocation.print_json("snapshots.pins", {"pinned": sorted(pins)})
    else:
        sys.stdout.write(f"{name} {'is pinned: it stays' if wanted else 'is no longer pinned'}.\n")


def _print_changes(changes: "Sequence[TagChange]") -> None:
    for each in changes[:_SHOWN]:
        name = f"{each.repository}:{each.tag}"
        if each.old is None and each.new is not None:
            sys.stdout.write(f"  added    {name}  {each.new.hex[:12]}\n")
        elif each.new is None and each.old is not None:
            sys.stdout.write(f"  removed  {name}  {each.old.hex[:12]}\n")
        elif each.old is not None and each.new is not None:
            sys.stdout.write(f"  moved    {name}  {each.old.hex[:12]} → {each.new.hex[:12]}\n")
    if len(changes) > _SHOWN:
        sys.stdout.write(f"  … and {len(changes) - _SHOWN} more\n")
    if not changes:
        sys.stdout.write("  no tag differs\n")
