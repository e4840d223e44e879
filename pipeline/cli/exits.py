"""Exit codes that scripts can use, and how an error ends a command."""

from __future__ import annotations

import errno
import traceback
from enum import IntEnum
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from pipeline.cli.guesses import ALIASES, POINTERS
from pipeline.contracts.errors import InvalidUploadError, ModeldropError, NotRunningError

__all__ = ["ExitCode", "GuardedGroup", "exit_code_of", "message"]


_JSON = "modeldrop.json"  # in a context's meta: whether --json was given


class ExitCode(IntEnum):
    """What ``$?`` says."""

    OK = 0
    FAILED = 1  # the run failed, or the operation did
    USAGE = 2
    NOT_RUNNING = 3
    NEEDS_DECISION = 4  # the run made a version that nobody has promoted yet
    INTERRUPTED = 130  # by Ctrl-C: 128 + SIGINT, as a shell has it


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
    """Ends a command with one sentence instead of a traceback; with ``--debug`` the traceback goes before it."""

    def main(self, *args: Any, **extra: Any) -> Any:
        from pipeline.cli.streams import prepare_streams

        prepare_streams()
        return super().main(*args, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse empty arguments of every command: an empty path would be the current folder."""
        ctx.meta[_JSON] = "--json" in args
        for position, argument in enumerate(args):
            if argument == "":
                before = args[position - 1] if position else ctx.info_name
                name = f"the argument after '{before}'"
            elif argument.startswith("--") and argument.endswith("="):
                name = argument[:-1]
            else:
                continue
            raise typer.BadParameter(f"{name} is empty (an unset variable of the shell?): a value is expected", ctx=ctx)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A command that people guess works as the one that is meant, or says which that is."""
        if args and args[0] not in self.commands:
            if pointer := POINTERS.get(args[0]):
                raise typer.BadParameter(pointer, ctx=ctx)
            args = [ALIASES.get(args[0], args[0]), *args[1:]]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            message("interrupted")
            _print_error(ctx, "Interrupted", "interrupted")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except ModeldropError as error:
            _end(ctx, error, error.message, exit_code_of(error))
        except Exception as error:  # the outermost edge: no traceback reaches a terminal
            if _is_of_the_command_line(error):
                if hasattr(error, "format_message"):
                    _print_error(ctx, "UsageError", error.format_message())
                raise
            from pipeline.cli.faults import describe_fault

            hint = "" if isinstance(error, OSError) else " ('modeldrop --debug ...' shows where)"
            _end(ctx, error, f"{describe_fault(error)}{hint}", ExitCode.FAILED)


def _print_error(ctx: Any, name: str, sentence: str) -> None:
    """With --json an error is a document on stdout too, whatever the command."""
    if ctx.meta.get(_JSON):
        from pipeline.cli.consoles import print_json

        print_json({"error": sentence, "type": name})


def _is_of_the_command_line(error: Exception) -> bool:
    """Whether typer ends the command itself: an exit, wrong usage, a reader that closed the pipe."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return True
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code")


def _end(ctx: Any, error: Exception, sentence: str, code: ExitCode) -> NoReturn:
    if ctx.params.get("debug"):
        message("".join(traceback.format_exception(error)), style="dim")
    message(f"error: {sentence}", style="red")
    _print_error(ctx, type(error).__name__, sentence)
    raise typer.Exit(code) from error
