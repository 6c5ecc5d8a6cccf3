"""`mirrord snapshots`: the publications there were, how they differ, and going back to one."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirrord.cli import completing
from mirrord.cli.app import app
from mirrord.cli.helping import Group
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mirrord.store.layout import Layout

group = typer.Typer(
    name="snapshots", cls=Group, help="List publications, compare them, go back to one.", no_args_is_help=True
)
app.add_typer(group)

_SHOWN = 100
IdOption = Annotated[
    str, typer.Argument(metavar="ID", help="A snapshot's number or name.", autocompletion=completing.snapshots)
]


@command(group, "list")
def list_(invocation: Invocation) -> None:
    """List the snapshots on disk, newest first: when, why, how much, which is served, held, pinned."""
    from rich.table import Table

    from mirrord.cli.running import Mirror, look, typed
    from mirrord.cli.words import console
    from mirrord.service.operations.snapshots import ListKept
    from mirrord.store.history import all_snapshots
    from mirrord.store.snapshot import served_name

    mirror = Mirror.existing(invocation)
    kept: Mapping[str, Any] = look(mirror, ListKept(words=typed())).document
    current, hold, pins = served_name(mirror.layout), kept["hold"], kept["pins"]
    found = all_snapshots(mirror.layout)[::-1]
    if invocation.json:
        rows = [
            {"name": each.name, "served": each.name == current, "pinned": each.name in pins, **each.document()}
            for each in found
        ]
        invocation.print_json("snapshots", {"hold": hold, "snapshots": rows})
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
        console().print(hold)


@command(group, "diff")
def diff(
    invocation: Invocation,
    *,
    old: Annotated[
        str | None,
        typer.Argument(metavar="[A]", help="Default: the one before B.", autocompletion=completing.snapshots),
    ] = None,
    new: Annotated[
        str | None, typer.Argument(metavar="[B]", help="Default: the served one.", autocompletion=completing.snapshots)
    ] = None,
) -> None:
    """Show which tags were added, removed and moved from snapshot A to snapshot B."""
    from mirrord.store.history import differences, find_snapshot, parent_of, served

    layout = _layout_of(invocation)
    after = served(layout) if new is None else find_snapshot(layout, new)
    before = parent_of(layout, after) if old is None else find_snapshot(layout, old)
    rows = [each.document() for each in differences(layout, before.generations, after.generations)]
    if invocation.json:
        invocation.print_json("snapshots.diff", {"old": before.name, "new": after.name, "changes": rows})
        return
    sys.stdout.write(f"from {before.name} to {after.name}:\n")
    _print_changes(rows)


@command(group, "rollback")
def rollback(
    invocation: Invocation,
    *,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Default: the one before the served.", autocompletion=completing.snapshots),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Argument(metavar="[REPOSITORY]", help="Only this one.", autocompletion=completing.repositories),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Serve an earlier snapshot again, wholly or for one repository, and hold it there until `release`.

    What differs is shown first. One rename does it; the snapshots in between stay.
    """
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.errors import ConfigError
    from mirrord.service.operations.snapshots import PlanRollback, RollBack

    mirror = Mirror.existing(invocation)
    look = PlanRollback(words=typed(), target=target, repository=repository)
    reply = look.look(mirror.layout) if mirror.daemon is None else carry_out(mirror, look)
    plan: Mapping[str, Any] = reply.document
    if not invocation.json:
        going = f"{plan['target']}{f' for {repository}' if repository else ''}"
        sys.stdout.write(f"going back to {going} means:\n")
        _print_changes(plan["changes"])
    if not yes:
        if invocation.json or not sys.stdin.isatty():
            raise ConfigError("nobody is here to confirm a rollback; say --yes if it is meant")
        typer.confirm("Serve that, and hold it until `mirrord snapshots release`?", abort=True)
    wish = RollBack(words=typed(), target=plan["target"], repository=repository)
    done = carry_out(mirror, wish).document
    what = f"Served as {done['snapshot']}" if done["snapshot"] else "It is what is served"
    invocation.answer("snapshots.rollback", done, f"{what}; held until: mirrord snapshots release")


@command(group, "release")
def release(invocation: Invocation) -> None:
    """End a rollback: the next sync publishes again what the upstreams have."""
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.snapshots import Release

    done = carry_out(Mirror.existing(invocation), Release(words=typed())).document
    words = "Released; the next sync publishes again." if done["released"] else "Nothing was held."
    invocation.answer("snapshots.release", done, words)


@command(group, "pin")
def pin(invocation: Invocation, *, snapshot: IdOption) -> None:
    """Keep a snapshot, and all that it names, whatever the retention says."""
    _pin(invocation, snapshot, wanted=True)


@command(group, "unpin")
def unpin(invocation: Invocation, *, snapshot: IdOption) -> None:
    """Leave a pinned snapshot to the retention again."""
    _pin(invocation, snapshot, wanted=False)


def _pin(invocation: Invocation, text: str, *, wanted: bool) -> None:
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.snapshots import Pin

    wish = Pin(words=typed(), snapshot=text, wanted=wanted)
    done = carry_out(Mirror.existing(invocation), wish).document
    is_now = "is pinned: it stays" if wanted else "is no longer pinned"
    invocation.answer("snapshots.pins", done, f"{done['snapshot']} {is_now}.")


def _layout_of(invocation: Invocation) -> "Layout":
    """The root that a command reads. Raises ConfigError, HostError."""
    from mirrord.cli.setting import config_of, root_of
    from mirrord.store.tree import Tree

    return Tree.at(root_of(invocation, config_of(invocation))).layout


def _print_changes(changes: "Sequence[Mapping[str, Any]]") -> None:
    from mirrord.cli.report import short

    for each in changes[:_SHOWN]:
        name, old, new = f"{each['repository']}:{each['tag']}", each["old"], each["new"]
        if old is None:
            sys.stdout.write(f"  added    {name}  {short(new)}\n")
        elif new is None:
            sys.stdout.write(f"  removed  {name}  {short(old)}\n")
        else:
            sys.stdout.write(f"  moved    {name}  {short(old)} → {short(new)}\n")
    if len(changes) > _SHOWN:
        sys.stdout.write(f"  … and {len(changes) - _SHOWN} more\n")
    if not changes:
        sys.stdout.write("  no tag differs\n")
