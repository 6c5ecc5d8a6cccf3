"""The options every command takes, before or after its name, and how its result and its errors reach the person."""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, Self

import typer
from msgspec import Struct
from msgspec.structs import replace

from mirrord.cli.examples import help_of
from mirrord.cli.helping import Command

P = ParamSpec("P")

INTERRUPTED = 130
"""Exit status after Ctrl-C."""
GLOBAL = "Global options"
_ENCODER = json.JSONEncoder(indent=2)
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The config to read.", rich_help_panel=GLOBAL)
]
RootOption = Annotated[
    Path | None, typer.Option("--root", metavar="DIR", help="The mirror's directory.", rich_help_panel=GLOBAL)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.", rich_help_panel=GLOBAL)
]
VerboseOption = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, help="Say more.", show_default=False, rich_help_panel=GLOBAL),
]
QuietOption = Annotated[
    int, typer.Option("--quiet", "-q", count=True, help="Say less.", show_default=False, rich_help_panel=GLOBAL)
]


class Invocation(Struct, frozen=True):
    """What the global options say."""

    config: Path | None = None
    root: Path | None = None
    json: bool = False
    verbosity: int = 0
    """0 is the ordinary amount; -v adds one, -q takes one away."""

    @classmethod
    def taken_from(cls, arguments: dict[str, Any], outer: Self | None) -> Self:
        """Take the global options out of ``arguments``; what is not given after the command counts from before it."""
        given = cls(
            config=arguments.pop("config"),
            root=arguments.pop("root"),
            json=arguments.pop("json"),
            verbosity=arguments.pop("verbose") - arguments.pop("quiet"),
        )
        if outer is None:
            return given
        return replace(
            given,
            config=given.config or outer.config,
            root=given.root or outer.root,
            json=given.json or outer.json,
            verbosity=given.verbosity + outer.verbosity,
        )

    def print_json(self, command: str, document: Mapping[str, object]) -> None:
        """Print the one JSON document of ``command`` on standard output."""
        between = "{"
        for key, value in {"schema": f"mirrord.{command}/1", **document}.items():
            sys.stdout.write(f"{between}\n  {json.dumps(key)}: ")
            sys.stdout.writelines(_indented(value))
            between = ","
        sys.stdout.write("\n}\n")

    def answer(self, command: str, document: Mapping[str, object], words: str) -> None:
        """Print what ``command`` came to: its document, or a line of ``words`` for people."""
        if self.json:
            self.print_json(command, document)
        else:
            sys.stdout.write(f"{words}\n")


def _indented(value: object) -> Iterator[str]:
    """The text of one value of a document; many things that are made one after the other are never there at once."""
    if isinstance(value, Collection) and not isinstance(value, str | list | tuple | dict):
        yield from _indented_each(value)
    else:
        yield from (piece.replace("\n", "\n  ") for piece in _ENCODER.iterencode(value))


def _indented_each(values: Collection[object]) -> Iterator[str]:
    between = "["
    for value in values:
        yield f"{between}\n    {_indented_by_lines(value)}"
        between = ","
    yield "\n  ]" if values else "[]"


def _indented_by_lines(value: object) -> str:
    """One of many: what json does itself for an indented object leaves garbage behind that is collected later."""
    if not isinstance(value, Mapping) or not value or any(isinstance(each, list | dict) for each in value.values()):
        return _ENCODER.encode(value).replace("\n", "\n    ")
    lines = (f"      {json.dumps(key)}: {json.dumps(each)}" for key, each in value.items())
    return "{\n" + ",\n".join(lines) + "\n    }"


def globals_(  # the signature is what typer reads: each option once, here
    ctx: typer.Context,
    config: ConfigOption = None,
    root: RootOption = None,
    json: JsonOption = False,  # noqa: FBT002 - typer reads an option from a parameter
    verbose: VerboseOption = 0,
    quiet: QuietOption = 0,
) -> None:
    """Remember the global options given before the command."""
    arguments = {"config": config, "root": root, "json": json, "verbose": verbose, "quiet": quiet}
    ctx.obj = Invocation.taken_from(arguments, None)


def command(
    app: typer.Typer,
    name: str | None = None,
    **settings: Any,  # noqa: ANN401 - typer's own settings, passed on
) -> Callable[[Callable[Concatenate[Invocation, P], None]], Callable[Concatenate[Invocation, P], None]]:
    """Register a function as a command that takes the global options too; it gets them as its first argument."""

    def register(
        function: Callable[Concatenate[Invocation, P], None],
    ) -> Callable[Concatenate[Invocation, P], None]:
        own = list(inspect.signature(function).parameters.values())[1:]
        shared = list(inspect.signature(globals_).parameters.values())

        @functools.wraps(function)
        def run(ctx: typer.Context, **arguments: Any) -> None:  # noqa: ANN401 - each command's own types
            invocation = Invocation.taken_from(arguments, ctx.obj)
            try:
                function(invocation, **arguments)  # type: ignore[call-arg] # typer has parsed them by the signature
            except KeyboardInterrupt:
                raise typer.Exit(INTERRUPTED) from None

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [shared[0], *(p.replace(kind=keyword) for p in (*own, *shared[1:]))]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # as inspect.signature reads it
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        words = name or function.__name__.replace("_", "-")
        group = app.info.name or ""
        told = help_of(words if group == "mirrord" else f"{group} {words}", inspect.getdoc(function) or "")
        app.command(name, cls=Command, help=told, **settings)(run)
        return function

    return register
