"""dead-letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.client.caller import log_change
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption
from pipeline.cli.terminal.console import print_result
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from pipeline.intake.dead_letters import DeadLetters

__all__ = ["register"]

_EXAMPLES = """
Examples:
  modeldrop dead-letters
  modeldrop dead-letters --redrive        # after fixing the cause
  modeldrop dead-letters --json | jq 'map(.messages) | add'

A redriven upload starts at most one run, however often its message is sent."""


def register(app: typer.Typer) -> None:
    """Add ``modeldrop dead-letters``."""
    app.command("dead-letters", cls=Command, epilog=_EXAMPLES, rich_help_panel="Runs")(dead_letters)


def dead_letters(
    ctx: typer.Context,
    *,
    redrive: Annotated[bool, typer.Option("--redrive", help="Send all of them again.")] = False,
    json: JsonOption = False,
) -> None:
    """Count the messages that could not be processed, or send them again."""
    from pipeline.registry.audit import OPERATORS

    connection = session_of(ctx).connection()
    queues = connection.dead_letters()
    if redrive:
        names = ", ".join(queue.name for queue in queues)
        log_change(connection, OPERATORS, "dead-letters --redrive", names)
    documents = [_document(queue, redrive=redrive) for queue in queues]
    print_result(documents, lambda: _table(documents, redrive=redrive), json=json)
    if redrive:
        message(f"{sum(document['redriven'] for document in documents):,} sent again")


def _document(queue: DeadLetters, *, redrive: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"queue": queue.name, "messages": queue.count(), "contents": queue.contents}
    return document | ({"redriven": queue.redrive()} if redrive else {})


def _table(documents: Sequence[dict[str, Any]], *, redrive: bool) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns = ("queue", "messages", *(("redriven",) if redrive else ()), "contents")
    table = Table(*columns, box=SIMPLE_HEAD)
    for document in documents:
        table.add_row(*(str(document[column]) for column in columns))
    return table
