"""variants: the files that were made of a run's candidates, and which one is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.commands.models import JsonOption, ModelArgument, TenantOption, VersionArgument
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command

__all__ = ["register"]

_VARIANTS = """
Examples:
  modeldrop variants houses                   # the table and the Pareto front
  modeldrop variants houses 3 --plot front.png
  modeldrop variants houses --json | jq '.[] | select(.pareto)'"""


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(cls=Command, epilog=_VARIANTS, rich_help_panel="Models")(variants)


def variants(
    ctx: typer.Context,
    *,
    model: ModelArgument,
    version: VersionArgument = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the front into a .png, .svg or .pdf file.")
    ] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Show the variants of a version: quality, agreement, latency, bytes, memory, and why each is served or not."""
    from pipeline.cli.client.lookup import find_version
    from pipeline.cli.terminal.console import print_json, show
    from pipeline.cli.views.front_image import draw_front
    from pipeline.cli.views.variants import variant_documents, variants_view
    from pipeline.contracts.records.model_version import ModelCard

    connection = session_of(ctx).connection()
    registered = find_version(connection, connection.tenant(tenant), model, version)
    card = ModelCard.from_bytes(connection.artifacts.get(registered.card_key))
    title = f"{model} version {registered.version}"
    if plot is not None:
        measured = [variant for variant in card.leaderboard if variant.status == "ok"]
        draw_front(measured, card.metric, plot, title=f"{title}: quality, size and latency of its variants")
        message(f"the Pareto front of {title} in {plot}")
    if json:
        print_json(variant_documents(card))
    elif plot is None:
        show(variants_view(card, title=title))
