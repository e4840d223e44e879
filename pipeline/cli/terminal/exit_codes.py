"""Exit codes that scripts can use, and how an error ends a command."""

from __future__ import annotations

import errno
import traceback
from enum import IntEnum
from typing import Any, NoReturn

import typer

from pipeline.cli.terminal.console import err, print_json, wrap_words
from pipeline.cli.terminal.guesses import ALIASES, POINTERS
from pipeline.cli.terminal.help_pages import Group
from pipeline.contracts.errors import InvalidUploadError, ModeldropError, NotRunningError

__all__ = ["ExitCode", "GuardedGroup", "StoppedError", "exit_code_of", "message"]


_JSON = "modeldrop.json"  # key in the context's meta: whether --json was given


class ExitCode(IntEnum):
    """Exit codes of the command."""

    OK = 0
    FAILED = 1  # the run failed, or the operation did
    USAGE = 2
    NOT_RUNNING = 3
    NEEDS_DECISION = 4  # the version waits for a decision
    INTERRUPTED = 130  # Ctrl-C: 128 + SIGINT, as in shells


class StoppedError(Exception):
    """The user stopped the command. ``sentence`` is the message, ``kind`` the type in a JSON document."""

    def __init__(self, sentence: str, kind: str, code: ExitCode) -> None:
        super().__init__(sentence)
        self.sentence, self.kind, self.code = sentence, kind, code


def exit_code_of(error: ModeldropError) -> ExitCode:
    """Return the exit code of an error: a wrong name is wrong usage, a missing stack is not running."""
    match error:
        case NotRunningError():
            return ExitCode.NOT_RUNNING
        case InvalidUploadError():
            return ExitCode.USAGE
        case _:
            return ExitCode.FAILED


def message(text: str, *, style: str | None = None) -> None:
    """Print to stderr, wrapped between words on a terminal."""

    console = err()
    lines = wrap_words(text, console.width) if console.is_terminal else text
    console.print(lines, style=style, markup=False, highlight=False, soft_wrap=True)


class _UnknownCommandError(typer.BadParameter):
    """An unknown command, with a suggestion."""

    def format_message(self) -> str:
        """Return the message without the prefix ``Invalid value:``."""
        return self.message


class GuardedGroup(Group):
    """Command group that reports an error in one sentence, with ``--debug`` after its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; output never fails because of a character that the encoding lacks."""
        from pipeline.cli.terminal.streams import prepare_streams

        prepare_streams()
        return super().main(*args, **extra)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Make the context; with --json, print a usage error as JSON, too."""
        json = "--json" in args  # parsing empties the list
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Exception as error:
            if json and hasattr(error, "format_message"):
                _print_document("UsageError", error.format_message())
            raise

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse empty arguments: an empty path would be the current folder.

        Raises:
            typer.BadParameter: An argument is empty.
        """
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
        """Resolve a command, also by an alias.

        Raises:
            click.UsageError: There is no such command; the message names the nearest one.
        """
        if args and args[0] not in self.commands:
            if pointer := POINTERS.get(args[0]):
                raise _UnknownCommandError(pointer, ctx=ctx)
            args = [ALIASES.get(args[0], args[0]), *args[1:]]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, and exit with the code of its error."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):  # Abort: Ctrl-C or end of input at a question
            _stop(ctx, StoppedError("interrupted", "Interrupted", ExitCode.INTERRUPTED))
        except StoppedError as stopped:
            _stop(ctx, stopped)
        except ModeldropError as error:
            from pipeline.cli.terminal.faults import advise_on_keys

            _end(ctx, error, advise_on_keys(error.message), exit_code_of(error))
        except Exception as error:  # outermost edge: no traceback reaches a terminal
            if _is_of_the_command_line(error):
                if hasattr(error, "format_message"):
                    _print_error(ctx, "UsageError", error.format_message())
                raise
            from pipeline.cli.terminal.faults import describe_fault

            hint = "" if isinstance(error, OSError) else " ('modeldrop --debug ...' shows where)"
            _end(ctx, error, f"{describe_fault(error)}{hint}", ExitCode.FAILED)


def _print_error(ctx: Any, name: str, sentence: str) -> None:
    """Print an error as JSON on stdout if --json was given, whatever the command."""
    if ctx.meta.get(_JSON):
        _print_document(name, sentence, lines=ctx.invoked_subcommand == "logs")


def _print_document(name: str, sentence: str, *, lines: bool = False) -> None:

    print_json({"error": sentence, "type": name}, indent=None if lines else 1)


def _stop(ctx: Any, stopped: StoppedError) -> NoReturn:
    message(stopped.sentence)
    _print_error(ctx, stopped.kind, stopped.sentence)
    raise typer.Exit(stopped.code) from None


def _is_of_the_command_line(error: Exception) -> bool:
    """Return whether typer handles the error: an exit, wrong usage, a closed pipe."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return True
    return isinstance(error, typer.Exit) or hasattr(error, "exit_code")


def _end(ctx: Any, error: Exception, sentence: str, code: ExitCode) -> NoReturn:
    if ctx.params.get("debug"):
        message("".join(traceback.format_exception(error)), style="dim")
    message(f"error: {sentence}", style="red")
    _print_error(ctx, type(error).__name__, sentence)
    raise typer.Exit(code) from error
