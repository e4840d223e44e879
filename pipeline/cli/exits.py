"""Exit codes that scripts can use, and how an error ends a command."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from pipeline.contracts.errors import InvalidUploadError, ModeldropError, NotRunningError

__all__ = ["ExitCode", "GuardedGroup", "exit_code_of", "message"]


class ExitCode(IntEnum):
    """What ``$?`` says."""

    OK = 0
    FAILED = 1  # the run failed, or the operation did
    USAGE = 2
    NOT_RUNNING = 3
    NEEDS_DECISION = 4  # the run made a version that nobody has promoted yet


def exit_code_of(error: ModeldropError) -> ExitCode:
    """A wrong name is wrong usage; a stack that is not there is not a failure of the operation."""
    match error:
        case NotRunningError():
            return ExitCode.NOT_RUNNING
        case InvalidUploadError():
            return ExitCode.USAGE
        case _:
            return ExitCode.FAILED


def message(text: str, *, style: str | None = None) -> None:
    """Say something to a person: stderr, so that stdout stays what a script reads."""
    from pipeline.cli.consoles import err

    err().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


class GuardedGroup(TyperGroup):
    """Ends a command with one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModeldropError as error:
            message(f"error: {error.message}", style="red")
            raise typer.Exit(exit_code_of(error)) from error
