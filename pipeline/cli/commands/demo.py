"""demo."""

from __future__ import annotations

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.terminal.help_pages import Command

__all__ = ["register"]

_DEMO = """
The same by hand:
  modeldrop up
  modeldrop drop digits.csv --target digit
  modeldrop predict digits held_out.csv

It leaves the stack running; 'modeldrop down' ends it."""


def register(app: typer.Typer) -> None:
    """Add ``modeldrop demo``."""
    app.command(cls=Command, epilog=_DEMO, rich_help_panel="The stack")(demo)


def demo(ctx: typer.Context) -> None:
    """Show it all with a real data set: drop, train, compress, choose, serve, call."""
    from pipeline.cli.demo.demo import run_demo

    run_demo(session_of(ctx))
