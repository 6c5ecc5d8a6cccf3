"""`--help` of every command: its examples come first, and each of them is a command line that is understood."""

import importlib
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from mirrord.cli.app import _FAMILIES, app
from mirrord.cli.examples import lines_of


def commands() -> Iterator[str]:
    """Every command there is, by its name after `mirrord`."""
    for family in _FAMILIES:
        importlib.import_module(f"mirrord.cli.{family}")
    yield from _below(typer.main.get_command(app), "")


def _below(group: Any, before: str) -> Iterator[str]:  # noqa: ANN401 - what typer makes of a group
    for name, found in sorted(group.commands.items()):
        if hasattr(found, "commands"):
            yield from _below(found, f"{before}{name} ")
        else:
            yield f"{before}{name}"


COMMANDS = tuple(commands())


def _find(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the rest of them."""
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands") and words[0] in found.commands:
        found, words = found.commands[words[0]], words[1:]
    return found, words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples_that_are_understood(name: str) -> None:
    """A newcomer copies a line: there is one, of this command, and each of its options and arguments is known."""
    command, _ = _find(name.split())
    assert command.help.split("\n\n")[1] == "[bold]Examples[/bold]"
    assert any(f"mirrord {name}" in line for line in lines_of(name))
    for line in lines_of(name):
        typed = line.partition(" > ")[0].split(" | ")[-1].split("mirrord ", 1)[1].removeprefix("mirrord ")
        found, arguments = _find(shlex.split(typed))
        assert not hasattr(found, "commands"), line
        found.make_context(name, arguments)


@pytest.mark.parametrize("name", ["sync", "snapshots", "snapshots rollback", ""])
def test_switches_show_no_type(name: str) -> None:
    """Nobody is made to think that `--dry-run` wants a value: types of the code are shown nowhere."""
    command, _ = _find(name.split())
    with command.make_context(name, [], resilient_parsing=True) as context:
        shown = {param.display_type_rich(context) for param in command.get_params(context)}
    assert not {each for each in shown if each and "<" in each}
