"""One way in which an upstream misbehaves, as data, and the real command run against it in this very process.

Upstream and command share one event loop. Where a scenario waits, its clock is virtual: ten minutes pass in no time.
"""

import asyncio
import contextlib
import io
import re
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import structlog
from support.clock import VirtualLoop
from support.mirror import Finished, Mirror
from support.scripted import Play, Scripted

from mirrord.cli.app import run as run_command
from mirrord.demo.access import Access, Everybody
from mirrord.demo.images import BuiltImage, image, layer
from mirrord.oci.digest import Digest

T = TypeVar("T")
OLD = image("old")
"""What the mirror serves before the scenario."""
NEW = image("new", layers=(layer("new", 3 << 20),))
"""What the upstream has then."""
LAYER = NEW.blobs[1]
LAYER_PATH = f"GET /v2/app/blobs/{Digest.of(LAYER)}"
"""Requests for its layer, which is long enough to be streamed and resumed."""
IMAGES: Mapping[str, BuiltImage] = {"old": OLD, "new": NEW}

_OWNER = re.compile(r"^ {11}(\w+): ", re.MULTILINE)
"""Whose move it is, as the report says it."""


@dataclass(frozen=True, slots=True)
class On:
    """Requests (``METHOD /path?query``) and what answers them: each play once, then ``then``."""

    pattern: str
    plays: tuple[Play, ...] = ()
    then: Play | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the upstream does, and what has to come of it."""

    name: str
    plays: tuple[On, ...] = ()
    """Its script; the later ones are looked at first."""
    status: int = 0
    """The command's exit status."""
    owner: str = ""
    """Whose move it is; empty where nothing failed."""
    says: tuple[str, ...] = ()
    """What a person reads: parts of the report or the log."""
    served: Mapping[str, str | Digest] = field(default_factory=lambda: {"1": "new"})
    """By tag, what the mirror serves afterwards: a digest, or ``old`` or ``new``."""

    image: str = "{host}/app:1"
    """The line of the config."""
    held: tuple[str, ...] = ("1",)
    """Tags that name OLD, and are mirrored before the script begins."""
    has: Mapping[str, BuiltImage] = field(default_factory=lambda: {"1": NEW})
    """By tag, what the upstream has when it begins."""
    limits: str = "{attempts: 1}"
    registry: str = ""
    """Further keys of the registry in the config."""
    access: Callable[[], Access] = Everybody
    waits: bool = False
    """Whether waiting is part of it: then by a virtual clock."""
    address: str = "127.0.0.1"
    endpoint: str = ""
    """What the config says instead of where it listens; then that is the proxy."""
    tls: bool = False
    bare: str = ""
    """Requests that must come, and without a login."""
    asked: Mapping[str, int] = field(default_factory=dict)
    """By pattern, how many requests there are at most."""
    never: tuple[str, ...] = ()
    """What nobody may read anywhere."""

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Stage:
    """One upstream on a socket of its own, and the mirror of it."""

    upstream: Scripted
    listener: socket.socket
    mirror: Mirror
    tls: ssl.SSLContext | None = None
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    def command(self, *arguments: str) -> Finished:
        """The real command, from its command line to its exit status, with the upstream in its event loop."""

        def run(work: Coroutine[Any, Any, T]) -> T:
            async def beside() -> T:
                async with self.upstream.serving(self.listener, self.tls):
                    return await work

            with asyncio.Runner(loop_factory=self.loop) as runner:
                return runner.run(beside())

        out, err = io.StringIO(), io.StringIO()
        typed = ["mirrord", *arguments, "--config", str(self.mirror.config)]
        try:
            with (
                patch.object(asyncio, "run", run),  # where the upstream comes in; all else is the command's own
                patch.object(sys, "argv", typed),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                status = run_command()
        finally:
            structlog.reset_defaults()  # the command writes its log to what is gone now
        return Finished(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def on_stage(scenario: Scenario, place: Path, tls: ssl.SSLContext | None, more: str = "") -> Iterator[Stage]:
    """Set the stage of a scenario: its upstream listens, the mirror's config is written."""
    family = socket.AF_INET6 if ":" in scenario.address else socket.AF_INET
    with socket.create_server((scenario.address, 0), family=family) as listener:
        host = f"[{scenario.address}]" if family is socket.AF_INET6 else scenario.address
        url = f"{'https' if tls else 'http'}://{host}:{listener.getsockname()[1]}"
        keys = [more, scenario.registry, f'proxy: "{url}"' if scenario.endpoint else ""]
        mirror = Mirror(place, scenario.endpoint or url, scenario.limits, ", ".join(key for key in keys if key))
        mirror.configure(scenario.image)
        upstream = Scripted(scenario.access())
        upstream.url = url
        yield Stage(upstream, listener, mirror, tls, VirtualLoop if scenario.waits else None)


def owners(report: str) -> set[str]:
    """Whose move it is, by the lines of a report."""
    return set(_OWNER.findall(report))
