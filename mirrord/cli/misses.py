"""`mirrord misses`: what clients asked for and the mirror lacks, and the config line that would add it."""

import os
import pwd
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirrord.cli.running import Mirror
    from mirrord.serve.misses.look import Found, Miss
    from mirrord.store.blocks import Blocks
    from mirrord.store.layout import Layout
    from mirrord.store.tree import Tree

_SHOWN = 50
"""Rows of the table; -v shows all."""
_NOTE = "misses.json"
"""Below ``status/``: what the page shows."""


@command(app)
def misses(
    invocation: Invocation,
    *,
    logs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Access logs, .gz too; - is standard input.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="How long ago (7d, 12h), or a date (2026-01-31).")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write it for the page too, to status/misses.json.")] = False,
) -> None:
    """Show what clients asked for and the mirror lacks, from nginx's access log, with the config line that adds it.

    Without FILE it reads the log of the nginx that `mirrord nginx` configures, and what rotation left of it.
    """
    from mirrord.cli.running import Mirror
    from mirrord.serve.misses.log import Reading, read_misses, rotated
    from mirrord.serve.misses.look import look
    from mirrord.serve.misses.tally import Tally
    from mirrord.serve.nginx import ACCESS_LOG
    from mirrord.store.tree import Tree

    tally, reading = Tally(_since(since)), Reading()
    mirror = Mirror.of(invocation)
    tree = Tree.at(mirror.root)
    if write:
        _require_owner(tree)
    for path in logs or rotated(ACCESS_LOG):
        for missed in read_misses(path, reading):
            tally.add(missed)
    found = look(tally, reading, tree, _blocks(mirror), mirror.config)
    document = found.document()
    if write:
        _write(tree.layout, document)
    if invocation.json:
        invocation.print_json("misses", document)
    else:
        _print(found, is_whole=invocation.verbosity > 0)


def _since(text: str | None) -> datetime | None:
    """The moment that ``--since`` means. Raises ConfigError."""
    from mirrord.config.scalars import parse_duration
    from mirrord.errors import ConfigError

    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--since {text!r} is no time; write how long ago, e.g. 7d or 12h, or a date, e.g. 2026-01-31"
        ) from None


def _blocks(mirror: "Mirror") -> "Blocks | None":
    """What is kept out; None, and told, where it is not for this user to see and no daemon tells. Raises HostError."""
    from mirrord.cli.running import look, typed
    from mirrord.errors import HostError
    from mirrord.service.operations.images import ListBlocks
    from mirrord.store.blocks import Blocks

    try:
        told: Mapping[str, Any] = look(mirror, ListBlocks(words=typed())).document
    except HostError as error:
        if os.access(mirror.layout.state, os.R_OK | os.X_OK):
            raise
        sys.stderr.write(f"mirrord: warning: what is blocked can't be told apart here: {error}\n")
        return None
    return Blocks.read(told["blocks"])


def _require_owner(tree: "Tree") -> None:
    """Refuse to write into another user's root. Raises HostError."""
    from mirrord.errors import HostError

    owner = os.stat(tree.layout.mark).st_uid
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise HostError(
        f"{tree.layout.root} belongs to {name}, who alone writes below it; "
        f"where {name} may not read the log: sudo cat LOG | sudo -u {name} mirrord misses --write -"
    )


def _write(layout: "Layout", document: "Mapping[str, object]") -> None:
    import json

    from mirrord.store.public import write_public

    content = json.dumps({"schema": "mirrord.misses/1", **document}, separators=(",", ":"))
    write_public(layout, _NOTE, content.encode())


def _print(found: "Found", *, is_whole: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from mirrord.cli.words import console, count, duration, plain

    now = datetime.now(UTC)
    shown = found.misses if is_whole else found.misses[:_SHOWN]
    table = Table(box=None, pad_edge=False)
    for column in ("asked for", "times", "clients", "last", "add to images:"):
        table.add_column(column, justify="right" if column in {"times", "clients"} else "left", overflow="fold")
    for miss in shown:
        ago = f"{duration(max(0.0, (now - miss.count.last).total_seconds()))} ago"
        cells = [miss.name, str(miss.count.times), _clients(miss), ago, miss.line or f"({miss.standing}) {miss.note}"]
        table.add_row(*(escape(plain(cell)) for cell in cells))
    if shown:
        console().print(table)
    lines = []
    if len(shown) < len(found.misses):
        lines.append(f"… and {len(found.misses) - len(shown)} more (-v shows all)")
    words = f"{count(found.reading.lines, 'request')} read; {count(len(found.misses), 'image')} missed"
    words += f", {found.here_now} missed before and here by now" if found.here_now else ""
    words += f", {found.tally.dropped} rare ones left out" if found.tally.dropped else ""
    words += (
        f", {count(found.reading.nameless, 'request')} for what is no image's name" if found.reading.nameless else ""
    )
    words += f", {count(found.reading.unreadable, 'line')} unreadable" if found.reading.unreadable else ""
    sys.stdout.write("".join(f"{line}\n" for line in [*lines, words]))


def _clients(miss: "Miss") -> str:
    from mirrord.serve.misses.tally import MOST_CLIENTS

    number = len(miss.count.clients)
    return f"{number}+" if number >= MOST_CLIENTS else str(number)
