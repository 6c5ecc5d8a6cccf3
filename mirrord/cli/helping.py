"""How `--help` shows a command: its arguments and switches without the types that the code gives them."""

from typing import TYPE_CHECKING

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:  # typer carries click inside, and names these nowhere else
    from typer._click import Context, Parameter


def _no_type(ctx: "Context") -> None:
    """Stand in for the type of a parameter."""


def _plain(params: "list[Parameter]") -> "list[Parameter]":
    """Show no type where there is none to type, as after `--dry-run`, nor a list's after a name in capitals."""
    for param in params:
        if isinstance(param, TyperArgument) or (isinstance(param, TyperOption) and (param.is_flag or param.count)):
            param.display_type_rich = _no_type  # type: ignore[method-assign] # typer has no setting for it
    return params


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: "Context") -> "list[Parameter]":  # noqa: D102 - typer's own
        return _plain(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, and mirrord itself."""

    def get_params(self, ctx: "Context") -> "list[Parameter]":  # noqa: D102 - typer's own
        return _plain(super().get_params(ctx))
