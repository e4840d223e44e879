"""Help pages: flags and arguments without a type, usage lines as in manual pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


class Command(TyperCommand):
    """A command whose usage line is ``modeldrop card [OPTIONS] MODEL [VERSION]``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; flags and arguments show no type."""
        return _without_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line after the command's name: optional arguments are in brackets."""
        arguments = [argument for argument in self.get_params(ctx) if argument.param_type_name == "argument"]
        names = [argument.metavar if argument.required else f"[{argument.metavar}]" for argument in arguments]
        return [*([self.options_metavar] if self.options_metavar else []), *names]


class Group(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; flags and arguments show no type."""
        return _without_types(super().get_params(ctx))


def _without_types(parameters: Sequence[Any]) -> list[Any]:
    """Remove the types that typer shows, such as ``<bool>``, from flags and arguments."""
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = _no_type
        elif getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return list(parameters)


def _no_type(ctx: Any) -> None:
    """Show no type."""
