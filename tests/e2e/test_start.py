"""What a command begins with: only what it needs is imported, and nothing that it needs is missing."""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from support.authority import make_authority
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.cli.app import _FAMILIES, _families, app
from mirrord.demo.images import image

NEEDLESS = ("rich", "pygments", "aiohttp.web", "mirrord.cli.doctor", "mirrord.serve.embedded", "apscheduler")
"""What a sync away from a terminal has no use for."""


def _modules_of(command: Any) -> Iterator[str]:  # noqa: ANN401 - what typer makes of a command
    if hasattr(command, "commands"):
        for each in command.commands.values():
            yield from _modules_of(each)
    else:
        yield command.callback.__module__


def test_each_command_is_found_in_its_module() -> None:
    """The table from which the typed command's module is imported names every command, each at its module."""
    for family in _FAMILIES:
        importlib.import_module(f"mirrord.cli.{family}")
    whole: Any = typer.main.get_command(app)
    found = {name: set(_modules_of(command)) for name, command in whole.commands.items()}
    told = {name: {f"mirrord.cli.{family}"} for family, names in _FAMILIES.items() for name in names}
    assert found == told


def test_only_the_typed_commands_module_is_imported() -> None:
    """Global options before it don't hide it; where no command is known, or help is asked for, all are there."""
    assert list(_families(["sync", "status"])) == ["sync"]
    assert list(_families(["--config", "sync", "-v", "--root=check", "gc"])) == ["upkeep"]
    for words in ([], ["--help"], ["--help", "sync"], ["snyc"], ["--config"], ["--show-completion"]):
        assert list(_families(words)) == list(_FAMILIES)


async def test_a_sync_imports_what_it_needs(mirror: Mirror, upstream: Scripted) -> None:
    """Off a terminal neither rich nor what serves, nor another command's module; and it works without them."""
    upstream.push("app", image("app"), "1")
    mirror.configure("{host}/app:1")
    code = (
        "import sys; from mirrord.cli.app import run; status = run(); "
        f"print(status, sorted(set({NEEDLESS}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "sync", "--config", str(mirror.config), "--quiet"]
    done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    assert done.stdout == "0 []\n"


async def test_the_hosts_authorities_are_believed(tmp_path: Path) -> None:
    """A registry is asked over TLS where the host trusts its authority, and refused where nobody does."""
    (tmp_path / "authority").mkdir()
    authority, upstream = make_authority(tmp_path / "authority"), Scripted()
    upstream.push("app", image("app"), "1")
    async with upstream.served(tls=authority.server()):
        mirror = Mirror(tmp_path, upstream.url, environment={"SSL_CERT_FILE": str(authority.ca)})
        mirror.configure("{host}/app:1")
        assert (await mirror.command("sync", "--json")).document["counts"] == {"added": 1}
        mirror.environment = {"SSL_CERT_FILE": "/dev/null"}
        done = await mirror.command("sync", "--json")
    assert done.document["counts"] == {"failed": 1}
    assert "shows a certificate that is not trusted" in done.document["images"][0]["error"]
