"""models, card, predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.lookup import find_version, live_number
from pipeline.cli.client.session import connection_of, session_of
from pipeline.cli.commands.options import (
    JsonOption,
    LimitOption,
    ModelArgument,
    TenantFilter,
    TenantOption,
    VersionOrLive,
)
from pipeline.cli.terminal.console import is_terminal, print_json, print_result, show
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import model_document
from pipeline.contracts.paging.page import collect

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.cli.prediction.predict import PredictedRows
    from pipeline.contracts.records.model_version import ModelSummary, ModelVersion

__all__ = ["register"]

_CARD = """
Examples:
  modeldrop card houses
  modeldrop card houses 3 --json | jq .importance"""
_PREDICT = """
Examples:
  modeldrop predict houses new_houses.csv --rows 5
  modeldrop predict houses '{"rooms": 4, "town": "Bergen"}'
  modeldrop predict acme/houses new_houses.csv   # acme shares it with you
  modeldrop predict digits seven.png
  modeldrop predict houses test.parquet --json | jq '.predictions[].value'
  modeldrop predict digits scans/   # or a zip; a folder's name is the truth
  modeldrop predict houses new_houses.csv -o predictions.parquet
  cat rows.jsonl | modeldrop predict houses - > predictions.csv

A file is read by the same rules as the model's training file.

If the file has the target column, it is shown beside the predictions, with the metrics.

A terminal shows a table of the first rows, a pipe gets CSV of all rows."""


def register(app: typer.Typer) -> None:
    """Add the commands of models: ``models``, ``card``, ``predict`` and the like."""
    panel = "Models"
    app.command(cls=Command, rich_help_panel=panel)(models)
    app.command(cls=Command, epilog=_CARD, rich_help_panel=panel)(card)
    app.command(cls=Command, epilog=_PREDICT, rich_help_panel=panel)(predict)


def models(
    ctx: typer.Context,
    *,
    tenant: TenantFilter = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Show only models whose newest version has this task, such as regression."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY[=VALUE]", help="Show only models with this tag, given as a name, value or name=value."
        ),
    ] = None,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """List models with their live versions."""
    from pipeline.cli.views.tables import models_table

    session = session_of(ctx)
    if (api := session.key_api()) is not None:
        with api:
            listed = api.models(task=task, tags=tag or (), limit=limit)
    else:
        connection = session.connection()
        summaries = collect(
            lambda count, after: connection.registry.models_page(
                tenant, task=task, tags=tag or (), limit=count, after=after
            ),
            limit,
        )
        listed = [(summary, _live(summary, connection)) for summary in summaries]
    if json:
        print_json([model_document(summary, live) for summary, live in listed])
    elif not listed and (task or tag):
        message("no such models")
    else:
        show(models_table(listed))


def card(
    ctx: typer.Context,
    model: ModelArgument,
    version: VersionOrLive = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Show a version's model card: quality with intervals, warnings, importance, data, cost."""
    from pipeline.cli.views.card import card_view
    from pipeline.contracts.records.model_version import ModelCard

    session = session_of(ctx)
    if (api := session.key_api()) is not None:
        with api:
            live = api.live_version(model)
            record, model_card = api.version(model, version or live or api.newest_version(model))
    else:
        connection, holder = connection_of(ctx, tenant)
        record = find_version(connection, holder, model, version)
        live = live_number(connection, holder, model)
        model_card = ModelCard.from_bytes(connection.artifacts.get(record.card_key))
    is_live = record.version == live
    document = {"version": record.version, "live": is_live, **model_card.model_dump(mode="json")}
    print_result(document, lambda: card_view(record, model_card, live=is_live), json=json)


def predict(
    ctx: typer.Context,
    *,
    model: ModelArgument,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_JSON",
            help="A file of any kind that training takes, a json file, a png or jpg, a folder of part files or of "
            "images, a row or rows as JSON, or - for stdin.",
        ),
    ],
    rows: Annotated[int | None, typer.Option(min=1, metavar="N", help="Predict only the first N rows.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the predictions to a .csv, .parquet or .jsonl file."
        ),
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Ignore columns that the model does not read.")
    ] = False,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Predict with the live version, over the HTTP API; large files are sent in batches."""
    from pipeline.cli.input.rows import find_source
    from pipeline.cli.prediction.output_files import check_output
    from pipeline.cli.prediction.predict import predict_rows

    if output is not None:
        check_output(output)
    predicted = predict_rows(
        find_source(source), session_of(ctx), model=model, tenant=tenant, limit=rows, ignore_extra=ignore_extra
    )
    _print_predictions(predicted, output, json=json)


def _print_predictions(predicted: PredictedRows, output: Path | None, *, json: bool) -> None:
    """Print predictions: a table on a terminal, csv in a pipe; with ``output``, write them to that file instead."""
    from pipeline.cli.prediction.output_files import print_csv, write_predictions
    from pipeline.cli.prediction.predictions_table import predictions_table, score_text

    if output is not None:
        write_predictions(predicted, output)
        message(
            f"{len(predicted.predictions):,} predictions of {predicted.model} version {predicted.version} in {output}"
        )
    if json:
        print_json(predicted.document())
    elif output is None and is_terminal():
        show(predictions_table(predicted))
        return
    elif output is None:
        print_csv(predicted)
        message(f"{predicted.model} version {predicted.version}", style="dim")
    if predicted.truths:
        message(score_text(predicted).plain)


def _live(summary: ModelSummary, connection: Connection) -> ModelVersion | None:
    if summary.live_version is None:
        return None
    return connection.registry.get(summary.tenant, summary.model, summary.live_version)
