"""Runs that are disturbed, and what must hold after each: the worlds before and after, the runner, and the check."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from support.closed import check_tree
from support.mirror import HOST
from support.scripted import Scripted

from mirrord.demo.images import (
    ARM64,
    BuiltImage,
    artifact,
    fallback_tag,
    image,
    index,
    layer,
    referrers_index,
    signature,
    signature_tag,
)
from mirrord.oci.manifest import parse_manifest
from mirrord.store.layout import Layout
from mirrord.store.tree import Tree

ENTRY = Path(__file__).parents[1] / "crash" / "entry.py"
BIG = (1 << 20) + 4096
"""Bytes of a layer that is streamed into a partial."""
MANY = 12
"""Small layers of one image, so that they are written as one batch."""
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one command ended."""

    status: int
    """Its exit status; below 0, the signal that ended it."""
    words: str


@dataclass(slots=True)
class Begun:
    """A command that is ready to begin, or has begun."""

    process: int
    _channel: socket.socket
    _words: socket.socket
    _gate: int

    def go(self) -> None:
        """Let it begin."""
        os.write(self._gate, b"!")

    def wait(self) -> Ended:
        """Wait until it has ended."""
        said = b""
        while part := self._words.recv(1 << 16):
            said += part
        status = int(self._channel.recv(64))
        self._words.close()
        os.close(self._gate)
        return Ended(status, said.decode("utf-8", "replace"))


class Warm:
    """Runs `mirrord` commands one after the other, each in a fork of a process that has imported everything."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator["Warm"]:
        """Have the process until the block ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_PATIENCE)
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
        command = [sys.executable, str(ENTRY), str(theirs.fileno())]
        with subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()]) as process, theirs:
            try:
                with ours:
                    yield cls(ours)
            finally:
                theirs.close()
                process.wait(_PATIENCE)

    def begin(self, place: Path, *arguments: str) -> Begun:
        """Have a command ready in ``place``; it begins when it is told to."""
        words, speaker = socket.socketpair()
        words.settimeout(_PATIENCE)
        waiting, gate = os.pipe()
        request = json.dumps({"place": str(place), "arguments": arguments}).encode()
        with speaker:
            socket.send_fds(self._channel, [request], [speaker.fileno(), waiting])
            process = int(self._channel.recv(64))
        os.close(waiting)
        return Begun(process, self._channel, words, gate)

    def run(self, place: Path, *arguments: str) -> Ended:
        """Run a command in ``place`` undisturbed."""
        begun = self.begin(place, *arguments)
        begun.go()
        return begun.wait()


@dataclass(frozen=True, slots=True)
class Listing:
    """What a root holds, as far as two runs of the same content must agree."""

    served: dict[str, dict[str, tuple[str, tuple[str, ...]]]]
    """By repository and tag (or digest kept without one): the manifest's file name, and the children held."""
    referrers: dict[str, dict[str, tuple[str, ...]]]
    content: dict[str, frozenset[str]]
    """By repository, the names of its manifests and blobs."""
    pool: frozenset[str]


@dataclass(frozen=True, slots=True)
class State:
    """What the upstream has and the config wants at one time."""

    images: tuple[tuple[str, BuiltImage, tuple[str, ...]], ...]
    """Repository, image, its tags."""
    wanted: tuple[str, ...]
    """Images of the config, ``{host}`` for the upstream's name."""

    def fill(self, upstream: Scripted) -> None:
        """Let ``upstream`` have this and nothing else."""
        upstream.repositories.clear()
        for repository, built, tags in self.images:
            upstream.push(repository, built, *tags)


@dataclass(frozen=True, slots=True)
class World:
    """Before: what a root holds already. After: what the run under test makes of it."""

    before: State
    after: State

    @classmethod
    def of(cls, seed: str) -> "World":
        """A world with content of its own: a run adds, changes and removes images of every kind."""
        shared, big = layer(f"{seed} shared"), layer(f"{seed} big", BIG)
        old = index(image(f"{seed} old"), image(f"{seed} old", platform=ARM64))
        new = index(
            image(f"{seed} new", layers=(shared, big)),
            image(f"{seed} new", layers=(shared, layer(f"{seed} arm")), platform=ARM64),
        )
        many = image(f"{seed} many", layers=[layer(f"{seed} {number}", 100 + number) for number in range(MANY)])
        base, tool = image(f"{seed} base", layers=(shared,)), image(f"{seed} tool")
        kept = (("base", base, ("3",)), ("tool", tool, ("1",)))
        statement = artifact(f"{seed} statement", "application/vnd.test.statement", new)
        listed = BuiltImage(parse_manifest(referrers_index([statement])))
        return cls(
            State(
                (
                    *kept,
                    ("app", old, ("1.0",)),
                    ("app", signature(old), (signature_tag(old.digest),)),
                    ("app", image(f"{seed} dropped"), ("0.9",)),
                    ("gone", image(f"{seed} gone", layers=(shared,)), ("1",)),
                ),
                ('{{name: "{host}/app", tags: ["1.0", "0.9"]}}', "{host}/base:3", "{host}/tool:1", "{host}/gone:1"),
            ),
            State(
                (
                    *kept,
                    ("app", new, ("1.0",)),
                    ("app", signature(new), (signature_tag(new.digest),)),
                    ("app", statement, ()),
                    ("app", listed, (fallback_tag(new.digest),)),
                    ("app", old, ("1.0-old",)),
                    ("app", signature(old), (signature_tag(old.digest),)),
                    ("base", many, ("4",)),
                    ("new/repository", tool, ("1", "2")),
                ),
                (
                    '{{name: "{host}/app", tags: ["1.0*"]}}',
                    '{{name: "{host}/base", tags: ["3", "4"]}}',
                    "{host}/tool:1",
                    f"{{host}}/new/repository@{tool.digest}",
                    "{host}/new/repository:2",
                ),
            ),
        )

