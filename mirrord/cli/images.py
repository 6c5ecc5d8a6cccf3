"""`mirrord images` and `mirrord init`: what a root serves, and making one."""

from pathlib import Path
from typing import Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command


@command(app, "images")
def images(
    invocation: Invocation,
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME[:TAG]]", help="One repository, or one tag of it.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Not built yet.", hidden=True)] = False,
) -> None:
    """List what is served: tags, digests, platforms, sizes."""
    from mirrord.cli.setting import config_of, root_of
    from mirrord.errors import ConfigError
    from mirrord.store.inventory import served_images
    from mirrord.store.tree import Tree

    if history:
        raise ConfigError("--history is not built yet: name one tag without it to see what is served now")
    tree = Tree.at(root_of(invocation, config_of(invocation)))
    found = served_images(tree, name)
    if invocation.json:
        invocation.print_json("images", {"snapshot": tree.snapshot(), "images": [each.document() for each in found]})
        return
    from rich.table import Table

    from mirrord.cli.words import console, count, size

    if not found:
        console().print("Nothing is mirrored yet: mirrord sync")
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
    import sys

    from mirrord.config.loader import PLACES
    from mirrord.store import durable
    from mirrord.store.root import create

    root = directory.absolute()
    create(root)
    config = invocation.config or PLACES[0]
    is_new = not config.exists()
    if is_new:
        durable.write_file(config, _CONFIG.format(root=root).encode(), mode=0o644)
    if invocation.json:
        invocation.print_json("init", {"root": str(root), "config": str(config), "config_written": is_new})
        return
    sys.stdout.write(f"{root} is a mirrord root.\n")
    sys.stdout.write(
        f"{config} {'was written: edit it' if is_new else 'was there already, and stays'}, then: mirrord sync\n"
    )
