"""`mirrord images` and `mirrord init`: what a root serves, and making one."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli import completing
from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.store.tree import Tree


@command(app, "images")
def images(
    invocation: Invocation,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME[:TAG]]", help="One repository, or one tag of it.", autocompletion=completing.repositories
        ),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="What one tag named over the snapshots.")] = False,
) -> None:
    """List what is served: tags, digests, platforms, sizes."""
    from mirrord.cli.setting import config_of, root_of, syncing
    from mirrord.errors import ConfigError
    from mirrord.store.inventory import served_images
    from mirrord.store.tree import Tree

    config = config_of(invocation)
    tree = Tree.at(root_of(invocation, config))
    if history:
        if name is None or ":" not in name:
            raise ConfigError("--history is of one tag; name it, e.g. nginx:1.27")
        _print_history(invocation, tree, name)
        return
    found = served_images(tree, name)
    if invocation.json:
        invocation.print_json("images", {"snapshot": tree.snapshot(), "images": [each.document() for each in found]})
        return
    from rich.table import Table

    from mirrord.cli.words import console, count, plain, size

    if not found:
        sys.stdout.write(f"Nothing is mirrored yet: {plain(syncing(invocation, config))}\n")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("image", "digest", "size", "platforms", "since"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(
            each.name if each.tag else f"{each.repository}@…",
            each.held.digest.hex[:12],
            size(each.held.size),
            ", ".join(each.held.platforms) or "-",
            each.held.first_seen[:16].replace("T", " "),
        )
    console().print(table)
    console().print(f"{count(len(found), 'image')} in snapshot {tree.snapshot() or '(none yet)'}", highlight=False)


def _print_history(invocation: Invocation, tree: "Tree", name: str) -> None:
    from rich.table import Table

    from mirrord.cli.words import console
    from mirrord.store.history import tag_history

    repository, _, tag = name.rpartition(":")
    moments = tag_history(tree.layout, repository, tag)
    if invocation.json:
        rows = [
            {"snapshot": each.snapshot.name, "digest": str(each.digest) if each.digest else None} for each in moments
        ]
        invocation.print_json("images.history", {"name": name, "history": rows})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("from", "snapshot", "digest"):
        table.add_column(column, overflow="fold")
    for each in moments:
        published = f"{each.snapshot.published:%Y-%m-%d %H:%M:%S}"
        table.add_row(published, each.snapshot.name, str(each.digest) if each.digest else "not served")
    console().print(table if moments else f"{name} is in none of the snapshots that are left")


_CONFIG = """\
# A mirrord config: what to mirror, and where. `mirrord check` explains it; every key is in docs/reference/config.md.
root: {root}
images:
  - alpine:3.20
  # - name: registry.k8s.io/pause
  #   tags: ["3.9", "3.1*"]          # tags and globs
  #   platforms: [linux/amd64, linux/arm64]
"""


@command(app, "init")
def init(
    invocation: Invocation,
    *,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The mirror's directory: absent, empty or a root.")],
) -> None:
    """Make a root: create and mark DIR, and write a commented mirrord.yaml beside you where there is none."""
    from mirrord.config.loader import PLACES
    from mirrord.errors import ConfigError
    from mirrord.store import durable
    from mirrord.store.root import create

    root = directory.absolute()
    if not str(root).isprintable():  # also bytes that are no UTF-8
        raise ConfigError(f"{str(root)!r} can't stand in a config; choose a directory whose name is plain text")
    create(root)
    config = invocation.config or PLACES[0]
    is_new = not config.exists()
    if is_new:
        durable.write_file(config, _CONFIG.format(root=root).encode(), mode=0o644)
    if invocation.json:
        invocation.print_json("init", {"root": str(root), "config": str(config), "config_written": is_new})
        return
    sync = shlex.join(["mirrord", "sync", *(["--config", str(config)] if invocation.config else [])])
    sys.stdout.write(f"{root} is a mirrord root.\n")
    sys.stdout.write(f"{config} {'was written: edit it' if is_new else 'was there already, and stays'}, then: {sync}\n")
