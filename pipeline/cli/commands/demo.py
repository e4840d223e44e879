"""demo."""

from __future__ import annotations

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.terminal.help_pages import Command

__all__ = ["register"]

_DEMO = """
The same by hand, with the files that the demo writes:
  modeldrop up
  modeldrop drop ~/.modeldrop/demo/digits.csv --target digit
  modeldrop predict digits ~/.modeldrop/demo/held_out.csv

The embedded cloud keeps running; 'modeldrop down' stops it."""


def register(app: typer.Typer) -> None:
    """Add ``modeldrop demo``."""
    app.command(cls=Command, epilog=_DEMO, rich_help_panel="The stack")(demo)


def demo(ctx: typer.Context) -> None:
    """Show the whole pipeline with a real data set: drop, train, compress, select, serve, predict."""
    from pipeline.cli.demo.demo import run_demo

    run_demo(session_of(ctx))
