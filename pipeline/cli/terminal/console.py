"""The two consoles: results to stdout, progress and messages to stderr. rich is imported when something is printed."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["err", "is_terminal", "out", "print_json", "print_result", "show", "wrap_words"]

_PIPE_WIDTH = 160  # characters; a pipe has no width, and a truncated table is useless in it


def out() -> Console:
    """Return the console of stdout, as wide as the terminal or COLUMNS."""
    from rich.console import Console

    width = None if is_terminal() else shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    return Console(file=sys.stdout, width=width)


def is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout.isatty()


def err() -> Console:
    """Return the console of stderr."""
    from rich.console import Console

    return Console(file=sys.stderr)


def show(renderable: RenderableType) -> None:
    """Print a result for a person. Lines wider than the terminal are not cut, so that ids can be copied."""
    out().print(renderable, crop=False)


def print_result(document: Any, make_view: Callable[[], RenderableType], *, json: bool) -> None:
    """Print a result: the document for a script with ``--json``; otherwise make the view for a person, and print it."""
    if json:
        print_json(document)
    else:
        show(make_view())


def wrap_words(text: str, width: int, *, indent: int = 0) -> str:
    """Wrap lines between words; a name, address or key wider than the terminal stays whole.

    Args:
        text: One line or several.
        width: Maximum width of a line.
        indent: Indentation of continuation lines.
    """
    wrapper = textwrap.TextWrapper(
        width=width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )
    return "\n".join(wrapper.fill(line) for line in text.split("\n"))


def print_json(document: Any, *, indent: int | None = 1) -> None:
    """Print a result for a script; without ``indent`` on one line."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):  # escape the characters that the terminal lacks
        text = json.dumps(document, indent=indent)
    typer.echo(text)
