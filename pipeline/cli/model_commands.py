"""models, card, promote, predict."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.exits import message
from pipeline.cli.session import session_of

if TYPE_CHECKING:
    from pipeline.cli.session import Connection
    from pipeline.contracts.model_version import ModelSummary, ModelVersion

__all__ = ["register"]

_PROMOTE = """Examples:

  modeldrop promote houses 3              # its run ended NEEDS_DECISION: take it

  modeldrop promote houses 2              # roll back"""
_CARD = """Examples:

  modeldrop card houses

  modeldrop card houses 3 --json | jq .importance"""
_PREDICT = """Examples:

  modeldrop predict houses new_houses.csv --rows 5

  modeldrop predict houses '{"rooms": 4, "town": "Bergen"}'

  modeldrop predict digits seven.png

  modeldrop predict houses test.parquet --json | jq '.predictions[].value'

  modeldrop predict digits scans/         # or a zip; the folder's name tells the truth where it is a class

  cat rows.jsonl | modeldrop predict houses -

A file is read as the model's training file was: names, numbers, dates, missing markers. One that holds the target
too is scored: each answer beside the truth."""

TenantOption = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose. The stack's own tenant by default.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts.")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, as 'modeldrop models' lists it.")]


def register(app: typer.Typer) -> None:
    panel = "Models"
    app.command(rich_help_panel=panel)(models)
    app.command(epilog=_CARD, rich_help_panel=panel)(card)
    app.command(epilog=_PREDICT, rich_help_panel=panel)(predict)
    app.command(epilog=_PROMOTE, rich_help_panel=panel)(promote)


def models(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    json: JsonOption = False,
) -> None:
    """List models, each with the version that is live."""
    from pipeline.cli.consoles import print_json, show
    from pipeline.cli.documents import model_document
    from pipeline.cli.views import models_table

    connection = session_of(ctx).connection()
    found = [(summary, _live(summary, connection)) for summary in connection.registry.models(tenant)]
    if json:
        print_json([model_document(summary, live) for summary, live in found])
    else:
        show(models_table(found))


def card(
    ctx: typer.Context,
    model: ModelArgument,
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", min=1, help="The live one by default.")] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is known of a version: its quality with intervals, what it reads, what to beware of, what it cost."""
    from pipeline.cli.card_views import card_view
    from pipeline.cli.consoles import print_json, show
    from pipeline.contracts.errors import NotFoundError
    from pipeline.contracts.model_version import ModelCard

    connection = session_of(ctx).connection()
    holder, registry = connection.tenant(tenant), connection.registry
    live = next((one.live_version for one in registry.models(holder) if one.model == model), None)
    wanted = version or live
    if wanted is None:
        raise NotFoundError(f"model '{model}' has no live version: 'modeldrop card {model} VERSION' shows another")
    found = registry.get(holder, model, wanted)
    known = ModelCard.from_bytes(connection.artifacts.get(found.card_key))
    if json:
        print_json({"version": found.version, "live": found.version == live, **known.model_dump(mode="json")})
    else:
        show(card_view(found, known, live=found.version == live))


def promote(
    ctx: typer.Context,
    model: ModelArgument,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="1, 2, 3 ...")],
    tenant: TenantOption = None,
) -> None:
    """Make a version live: to decide on a run that asks for it, or to roll back."""
    connection = session_of(ctx).connection()
    promoted = connection.registry.promote(connection.tenant(tenant), model, version, by=_who())
    connection.runs.decide(promoted.lineage.run)
    message(f"{model} version {version} is live ({promoted.algorithm}, {promoted.precision})", style="green")
    message("the next run replaces it unless its train.yaml says promote: manual", style="dim")


def predict(
    ctx: typer.Context,
    *,
    model: ModelArgument,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_JSON",
            help="A file of any kind that training takes, a json file, a png or jpg, a folder of part files or of "
            "pictures, a row or rows as JSON, or - for stdin.",
        ),
    ],
    rows: Annotated[int | None, typer.Option(min=1, metavar="N", help="The first so many rows.")] = None,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Leave out columns that the model does not read.")
    ] = False,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Ask the live version over HTTP, as any client would; big files go in batches."""
    from pipeline.cli.answer_views import answers_table
    from pipeline.cli.consoles import print_json, show
    from pipeline.cli.predicting import predict_rows
    from pipeline.cli.rows import find_source

    session = session_of(ctx)
    connection = session.connection()
    answer = predict_rows(
        find_source(source), session, connection, model=model, tenant=tenant, limit=rows, ignore_extra=ignore_extra
    )
    if json:
        print_json(answer.document())
    else:
        show(answers_table(answer))


def _who() -> str:
    """Who promotes, for the registry's history."""
    try:
        return f"modeldrop promote by {getpass.getuser()}"
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "modeldrop promote"


def _live(summary: ModelSummary, connection: Connection) -> ModelVersion | None:
    if summary.live_version is None:
        return None
    return connection.registry.get(summary.tenant, summary.model, summary.live_version)
