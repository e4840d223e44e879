"""variants, verify, accept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.caller import logged_change
from pipeline.cli.client.lookup import find_run, find_selection, find_version, read_golden
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption, ModelArgument, RunArgument, TenantOption, VersionOrLive
from pipeline.cli.commands.registry.aliases import LIVE
from pipeline.cli.commands.runs import watch_run
from pipeline.cli.terminal.console import print_json, show
from pipeline.cli.terminal.exit_codes import ExitCode, message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import run_document

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.run import Run

__all__ = ["register"]

_VARIANTS = """
Examples:
  modeldrop variants houses                   # the table and the Pareto front
  modeldrop variants houses 3 --plot front.png
  modeldrop variants houses --json | jq '.[] | select(.pareto)'"""

_VERIFY = """
Examples:
  modeldrop verify houses      # the live version, through the API
  modeldrop verify houses 3 --json"""

_ACCEPT = """
Examples:
  modeldrop accept houses              # its newest run's winner
  modeldrop accept houses linear/fp32  # another variant
  modeldrop accept demo_houses_1f2e3d4c5b6a mlp/int8"""


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(cls=Command, epilog=_VARIANTS, rich_help_panel="Models")(variants)
    app.command(cls=Command, epilog=_VERIFY, rich_help_panel="Models")(verify)
    app.command(cls=Command, epilog=_ACCEPT, rich_help_panel="Models")(accept)


def variants(
    ctx: typer.Context,
    *,
    model: ModelArgument,
    version: VersionOrLive = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the front into a .png, .svg or .pdf file.")
    ] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Show a version's variants: quality, agreement, latency, size, memory, and why each is served or not."""
    from pipeline.cli.views.images.front import draw_front
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


def verify(
    ctx: typer.Context,
    *,
    model: ModelArgument,
    version: VersionOrLive = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Send a version's golden rows to the API and compare its predictions with those of the evaluation."""
    from pipeline.cli.client.model_api import ModelApi
    from pipeline.cli.views.variants import comparison_document, describe_comparison
    from pipeline.evaluation.golden.comparison import compare_predictions

    session = session_of(ctx)
    connection = session.connection()
    registered = find_version(connection, connection.tenant(tenant), model, version)
    golden = read_golden(connection, registered)
    with ModelApi(
        connection.status.api_url or "", session.api_key(connection), transport=session.dependencies.transport
    ) as api:
        response = api.infer(model, list(golden.rows), version=registered.version)
    comparison = compare_predictions(response["predictions"], golden.predictions, golden.tolerance)
    if json:
        print_json(comparison_document(comparison))
    else:
        message(describe_comparison(comparison, f"{model} version {registered.version}", golden.tolerance))
    if not comparison.is_equal:
        raise typer.Exit(ExitCode.FAILED)


def accept(
    ctx: typer.Context,
    *,
    run: RunArgument,
    variant: Annotated[
        str | None, typer.Argument(metavar="VARIANT", help="Name of a variant (default: the run's winner).")
    ] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Serve a variant of an ended run: it is evaluated, registered, tested and goes live; nothing is trained."""
    from pipeline.use_cases.accept_variant import AcceptVariant

    connection = session_of(ctx).connection()
    earlier = find_run(connection, run, tenant)
    winner = find_selection(connection, earlier).winner.display_name
    if variant in (None, winner) and earlier.version is not None:
        with logged_change(connection, earlier.tenant, "accept", f"{earlier.model}@{earlier.version} {LIVE}") as by:
            _promote(connection, earlier, by=by)
        message(f"{earlier.model} version {earlier.version} is live", style="green")
        if json:
            print_json(run_document(connection.runs.get(earlier.run)))
        return
    variant = variant or winner
    accept_variant = AcceptVariant(
        artifacts=connection.artifacts, runs=connection.runs, executions=connection.executions
    )
    with logged_change(connection, earlier.tenant, "accept", f"{earlier.run} {variant}") as by:
        accepted = accept_variant(earlier.run, variant, by=by)
    message(f"{variant} of run {earlier.run} is accepted: run {accepted}")
    succeeded = partial(connection.runs.mark_promoted, earlier.run)
    watch_run(ctx, accepted, connection.runs, connection, json=json, succeeded=succeeded)


def _promote(connection: Connection, run: Run, *, by: str) -> None:
    """Make the run's version live."""
    from pipeline.registry.aliases import ANY_VERSION, AliasRef

    assert run.version is not None, "the run has a version"
    alias = AliasRef(run.tenant, run.model, LIVE)
    connection.registry.aliases.move(alias, run.version, by=by, reason=run.reason or "", expected=ANY_VERSION)
    connection.runs.mark_promoted(run.run)
