"""What the shell completes beside commands and options: names of what is served, and snapshots. Never fails aloud."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mirrord.store.tree import Tree

_MOST = 500
"""Proposals: what is more, nobody reads."""


def repositories(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of repositories that are served, as far as they begin so."""
    from mirrord.errors import MirrordError

    try:
        tree = _tree(ctx)
        return [name for name in tree.repositories() if name.startswith(incomplete)][:_MOST]
    except MirrordError:  # a line that is being typed has no place for an error: nothing is proposed
        return []


def snapshots(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numbers of snapshots, the newest first."""
    from mirrord.errors import MirrordError
    from mirrord.store.layout import snapshot_sequence

    try:
        tree = _tree(ctx)
        found = map(snapshot_sequence, os.listdir(tree.layout.snapshots))
        newest = sorted((number for number in found if number is not None), reverse=True)
    except (MirrordError, OSError):  # as above
        return []
    return list(islice((text for text in map(str, newest) if text.startswith(incomplete)), _MOST))


def _tree(ctx: typer.Context) -> "Tree":
    """The root that the line so far is about. Raises MirrordError."""
    from mirrord.cli.invocation import Invocation
    from mirrord.cli.setting import config_of, root_of
    from mirrord.store.tree import Tree

    invocation = Invocation(_given(ctx, "config"), _given(ctx, "root"))
    config = config_of(invocation) if invocation.root is None else None
    return Tree.at(root_of(invocation, config))


def _given(ctx: typer.Context, name: str) -> Path | None:
    """A global option, after the command or before it."""
    found = (each.params.get(name) for each in _and_parents(ctx))
    return next((Path(value) for value in found if value is not None), None)


def _and_parents(ctx: typer.Context) -> "Iterator[typer.Context]":
    yield ctx
    if isinstance(ctx.parent, typer.Context):
        yield from _and_parents(ctx.parent)
