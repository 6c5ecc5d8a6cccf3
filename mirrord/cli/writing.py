"""Which mirror a command works on, and holding it as its one writer."""

import shlex
import sys
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from mirrord.cli.invocation import Invocation

if TYPE_CHECKING:
    from mirrord.config.reserve import Reserve
    from mirrord.store.layout import Layout
    from mirrord.store.store import Store

THREADS = 2
"""Worker threads of a command that only tidies."""


def mirror_of(invocation: Invocation) -> "tuple[Layout, Reserve]":
    """The root a command is about, and what of its disk stays free. Raises ConfigError, HostError (no root)."""
    from mirrord.cli.setting import config_of, root_of
    from mirrord.config.reserve import Reserve
    from mirrord.store.tree import Tree

    config = config_of(invocation)
    tree = Tree.at(root_of(invocation, config))
    return tree.layout, config.reserve if config else Reserve(size=0)


def writing(layout: "Layout", reserve: "Reserve") -> AbstractAsyncContextManager["Store"]:
    """Hold the root while the block lasts, under the words that were typed."""
    from mirrord.store.store import open_store

    words = shlex.join(["mirrord", *sys.argv[1:]])
    return open_store(layout.root, command=words, threads=THREADS, reserve=reserve)
