"""`mirrord check` and `mirrord config`: whether the config is right, what it means, and what is in force."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.helping import Group
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mirrord.config.describe import DescribedGroup, Description
    from mirrord.config.model import Config

_WIDEST = 48
"""Columns that the names of a table take at most."""

config_app = typer.Typer(
    name="config", cls=Group, help="Show the config that is in force, or its schema.", no_args_is_help=True
)
app.add_typer(config_app)


@command(app)
def check(
    invocation: Invocation,
    *,
    online: Annotated[bool, typer.Option("--online", help="Ask the upstreams what would be selected.")] = False,
) -> None:
    """Read the config, and say what it means.

    Every error is told at once, a line each; the exit status is then 2. With --online it says which tags are selected
    now, and why each is or is not (-v: each of them); it is 1 where something that is named can't be had, or a file
    that the config names is not there.
    """
    from mirrord.config.absent import absent_files
    from mirrord.config.describe import describe

    path, config = _read(invocation)
    if online:
        _check_online(invocation, path, config)
        return
    description, absent = describe(config), list(absent_files(config))
    if invocation.json:
        invocation.print_json("check", {"file": str(path), **description.document(), "absent": absent})
    else:
        sys.stdout.writelines(f"{line}\n" for line in _told(path, description))
    sys.stderr.writelines(f"mirrord: config: {line}\n" for line in absent)
    if absent:
        raise typer.Exit(FOUND)


def _check_online(invocation: Invocation, path: "Path", config: "Config") -> None:
    import asyncio

    from mirrord.cli.running import set_up_log
    from mirrord.cli.selection import told
    from mirrord.sync.online import explain_online

    set_up_log(config, invocation)
    explained, failed = asyncio.run(explain_online(config, config.root))
    if invocation.json:
        documents = {
            "images": [each.document() for each in explained],
            "failed": [outcome.document() for outcome in failed],
        }
        invocation.print_json("check", {"file": str(path), **documents})
    else:
        sys.stdout.writelines(f"{line}\n" for line in told(explained, failed, is_whole=invocation.verbosity > 0))
    if failed or any(each.problems for each in explained):
        raise typer.Exit(FOUND)


@command(config_app)
def show(invocation: Invocation) -> None:
    """Print the config in force: included files and defaults in it, secrets as dots."""
    from mirrord.config.show import effective

    path, config = _read(invocation)
    document = effective(config)
    if invocation.json:
        invocation.print_json("config.show", {"file": str(path), "config": document})
        return
    import yaml

    sys.stdout.write(f"# In force, from {path}\n")
    yaml.safe_dump(document, sys.stdout, sort_keys=False, allow_unicode=True)


@command(config_app)
def schema(invocation: Invocation) -> None:
    """Print the JSON Schema of the config file, for editors that complete and check it."""
    from mirrord.config.schema import json_schema

    del invocation  # the schema is JSON whether or not --json is given
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")


def _read(invocation: Invocation) -> "tuple[Path, Config]":
    from mirrord.config.loader import load, locate

    path = locate(invocation.config)
    config = load(path)
    return path, config if invocation.root is None else config.model_copy(update={"root": invocation.root})


def _told(path: "Path", description: "Description") -> "Iterator[str]":
    images = sum(len(group.images) for group in description.groups)
    registries = len(description.registries)
    yield f"{path} is valid: {_counted(images, 'image')} from {_counted(registries, 'registry', 'registries')}"
    yield f"root: {description.root or 'not set; commands need --root DIR'}"
    if description.public_url:
        yield f"public_url: {description.public_url}"
    yield from ("", "Registries")
    rows = [
        (registry.host, ", ".join([" or ".join(registry.connects_to), registry.login, *registry.notes]))
        for registry in description.registries
    ]
    yield from _table(rows)
    for group in description.groups:
        yield from _group(group)


def _group(group: "DescribedGroup") -> "Iterator[str]":
    together = ", all or nothing" if group.together else ""
    yield from ("", f"Group {group.name} ({group.schedule}{together})")
    yield from _table(
        (
            image.name,
            f"{image.selects}{f' ({image.platforms})' if image.platforms != 'all' else ''}, from {image.upstream}",
        )
        for image in group.images
    )


def _table(rows: "Iterable[tuple[str, str]]") -> "Iterator[str]":
    rows = list(rows)
    width = min(_WIDEST, max((len(name) for name, _ in rows), default=0))
    return (f"  {name:<{width}}  {words}" for name, words in rows)


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
