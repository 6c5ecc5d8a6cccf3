# ruff: noqa: INP001 - a folder of pages is no package
"""The page of all commands, as `--help` has them."""

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

INTRO = """# Commands

<!-- Written by scripts/reference from the code. -->

`mirrord COMMAND --help` says the same: how it is typed, examples, and what it takes. Where a daemon holds the root, it
carries out the commands that write, with the same output and exit status.

What a command came to goes to standard output: lines for people, or with `--json` one document and nothing else. All
else goes to standard error, and is of two kinds.

- [Events](events.md), while work is under way. Where standard error is no terminal (cron, CI, a pipe) each is a line of
  JSON, from `log.level` on; on a terminal it is a line for people, from warnings on, and progress is shown.
  `log.format` chooses one of the two for everywhere; `-q` has less of them, `-v` more.
- Lines that begin with `mirrord: `, in every format: warnings, and the error where a command could not be carried
  out, `mirrord: OWNER: what failed, what was expected`. OWNER is whose move it is: `upstream`, `network`, `config` or
  `host`. (`import` lists there, too, what it leaves out, as `FILE:LINE: …`.)

So `2>/dev/null` leaves the result alone, and a line of standard error that begins with `{` is an event. Images that
failed are in the result; an exit status of 1 says that there are some.

| exit status | |
|---|---|
| 0 | done |
| 1 | some images failed, or a check found something |
| 2 | the command line or the config is wrong |
| 3 | this host is at fault: disk, permissions, a port |
| 130 | interrupted by Ctrl-C |

These options go before or after every command:

"""
COMPLETION = ("install_completion", "show_completion", "help")


def commands_page() -> str:
    """docs/reference/commands.md."""
    import typer

    from mirrord.cli.app import _FAMILIES, app
    from mirrord.cli.examples import lines_of
    from mirrord.cli.invocation import GLOBAL

    for family in _FAMILIES:
        importlib.import_module(f"mirrord.cli.{family}")
    whole = typer.main.get_command(app)
    parts = [INTRO + _table(param for param in whole.params if param.name not in COMPLETION)]
    for name, command in _below(whole, ""):
        first, *rest = [part for part in command.help.split("\n\n") if part != "[bold]Examples[/bold]"]
        rest = [part for part in rest if part not in lines_of(name)]
        own = [param for param in command.params if getattr(param, "rich_help_panel", None) != GLOBAL]
        arguments = "".join(f" {_argument(param)}" for param in own if param.param_type_name == "argument")
        has_options = " [OPTIONS]" if any(param.param_type_name == "option" for param in own) else ""
        usage, examples = f"mirrord {name}{has_options}{arguments}", "\n".join(lines_of(name))
        blocks = [f"## mirrord {name}", _line(first), f"`{usage}`", f"```text\n{examples}\n```", *map(_line, rest)]
        parts.append("\n" + "\n\n".join(blocks) + "\n" + (f"\n{_table(own)}" if own else ""))
    return "".join(parts)


def _below(group: Any, before: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - what typer makes of a group
    """The commands in the order of `--help`, with their names."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from _below(found, f"{before}{name} ")
        else:
            yield f"{before}{name}", found


def _argument(param: Any) -> str:  # noqa: ANN401 - as above
    name: str = param.metavar or param.name.upper()
    if name.startswith("["):
        return name
    name = name if param.required else f"[{name}]"
    return f"{name}..." if param.nargs == -1 else name


def _table(params: Iterable[Any]) -> str:
    """Options and arguments, each with what it says."""
    lines = ["| | |", "|---|---|"]
    for param in params:
        if param.param_type_name == "argument":
            names = [_argument(param)]
        else:
            shown = param.metavar or "|".join(param.type_descriptor.choices or ())
            names = [each if param.is_flag or param.count else f"{each} {shown}" for each in param.opts]
        name = ", ".join(f"`{each}`" for each in names).replace("|", "\\|")
        value = getattr(param.default, "value", param.default)
        default = f" Default: `{value}`." if param.show_default and isinstance(value, str) and value else ""
        lines.append(f"| {name} | {_line(param.help or '')}{default} |")
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
