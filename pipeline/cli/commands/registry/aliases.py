"""promote, rollback, history: the versions that a model's aliases point to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.caller import logged_change
from pipeline.cli.client.lookup import find_model, find_version
from pipeline.cli.client.session import connection_of, session_of
from pipeline.cli.commands.options import JsonOption, ModelArgument, TenantOption, VersionArgument
from pipeline.cli.terminal.console import print_json, show
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import move_document, promoted_document

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection
    from pipeline.contracts.records.model_version import VersionRecord

__all__ = ["LIVE", "register"]

_PROMOTE = """
Examples:
  modeldrop promote houses 3   # accept it: its run ended NEEDS_DECISION
  modeldrop promote houses 4 --alias canary
  modeldrop promote houses 4 --canary 10   # 10 %, then live unless worse
  modeldrop promote houses 2 --reason "better recall on new customers"
  modeldrop promote houses 4 --expected 3   # only if 3 is live now"""
_ROLLBACK = """
Examples:
  modeldrop rollback houses --reason "errors since noon"
  modeldrop rollback houses --alias canary

Repeat it to go back further."""
_HISTORY = """
Examples:
  modeldrop history houses
  modeldrop history houses --json | jq '.[0].reason'
  modeldrop history houses --at 2026-11-30T12:00   # what was live then"""

LIVE = "live"
AliasOption = Annotated[str, typer.Option("--alias", metavar="NAME", help="Alias to move: live, canary, any name.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the history.")]
ExpectedOption = Annotated[
    int | None,
    typer.Option("--expected", min=1, metavar="VERSION", help="Fail unless the alias points to this version now."),
]
CanaryOption = Annotated[
    float | None,
    typer.Option(
        "--canary",
        min=0.001,
        max=100,
        metavar="PERCENT",
        help="Percentage of the requests that the version answers before it becomes live.",
    ),
]
ShadowOption = Annotated[
    float | None,
    typer.Option(
        "--shadow", min=0.001, max=100, metavar="PERCENT", help="Percentage of the requests that are compared."
    ),
]
MinutesOption = Annotated[float, typer.Option(min=0.1, max=10_080, help="Duration of --canary or --shadow.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    panel = "Models"
    app.command(cls=Command, epilog=_PROMOTE, rich_help_panel=panel)(promote)
    app.command(cls=Command, epilog=_ROLLBACK, rich_help_panel=panel)(rollback)
    app.command(cls=Command, epilog=_HISTORY, rich_help_panel=panel)(history)


def promote(
    ctx: typer.Context,
    model: ModelArgument,
    version: VersionArgument,
    *,
    alias: AliasOption = LIVE,
    canary: CanaryOption = None,
    shadow: ShadowOption = None,
    minutes: MinutesOption = 30.0,
    reason: ReasonOption = "",
    expected: ExpectedOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Make a version live, point another alias to it, or start a canary or shadow rollout."""
    from pipeline.registry.aliases import ANY_VERSION, AliasRef

    session = session_of(ctx)
    starts_rollout = canary is not None or shadow is not None
    if starts_rollout and (alias != LIVE or expected or reason or None not in (canary, shadow)):
        raise typer.BadParameter("--canary and --shadow combine only with --minutes")
    if (api := session.key_api()) is not None:
        if starts_rollout:
            raise typer.BadParameter("--canary and --shadow need the embedded cloud or --stack, not --api-url")
        with api:
            record, previous = api.promote(model, version, alias=alias, reason=reason, expected=expected)
        _report(record, alias, previous, is_promotion=True, json=json)
        return
    connection, owner = connection_of(ctx, tenant)
    promoted = find_version(connection, owner, model, version)
    if starts_rollout:
        _roll_out(connection, promoted, canary=canary, shadow=shadow, minutes=minutes, json=json)
        return
    with logged_change(connection, owner, "promote", f"{model}@{version} {alias}") as by:
        move = connection.registry.aliases.move(
            AliasRef(owner, model, alias),
            version,
            by=by,
            reason=reason,
            expected=expected or ANY_VERSION,
        )
    if alias == LIVE:
        connection.runs.mark_promoted(promoted.lineage.run)
    _report(promoted, alias, move.previous if move else version, is_promotion=True, json=json)


def rollback(
    ctx: typer.Context,
    model: ModelArgument,
    *,
    alias: AliasOption = LIVE,
    reason: ReasonOption = "",
    expected: ExpectedOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Return to the version that was live before, in one step."""
    from pipeline.registry.aliases import ANY_VERSION, AliasRef

    session = session_of(ctx)
    if (api := session.key_api()) is not None:
        with api:
            returned, previous = api.roll_back(model, alias=alias, reason=reason, expected=expected)
        _report(returned, alias, previous, is_promotion=False, json=json)
        return
    connection, owner = connection_of(ctx, tenant)
    find_model(connection, owner, model)
    with logged_change(connection, owner, "rollback", f"{model} {alias}") as by:
        move = connection.registry.aliases.roll_back(
            AliasRef(owner, model, alias), by=by, reason=reason, expected=expected or ANY_VERSION
        )
    record = connection.registry.versions.record(owner, model, move.version)
    _report(record, alias, move.previous, is_promotion=False, json=json)


def history(
    ctx: typer.Context,
    model: ModelArgument,
    *,
    alias: Annotated[str | None, typer.Option(metavar="NAME", help="Show only moves of this alias.")] = None,
    moment: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Show the move in effect then: 30m or 1d ago, or 2026-11-30T12:00."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most this many.")] = 50,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """List who moved an alias, when, from which version to which, and why; newest first."""
    from pipeline.cli.client.run_listing import parse_since
    from pipeline.cli.views.registry.versions import history_table

    session = session_of(ctx)
    before = None if moment is None else parse_since(moment, now=datetime.now(UTC))
    alias, limit = (alias, limit) if before is None else (alias or LIVE, 1)
    if (api := session.key_api()) is not None:
        with api:
            listed = api.history(model, alias=alias, limit=limit, before=before)
    else:
        connection, owner = connection_of(ctx, tenant)
        find_model(connection, owner, model)
        listed = connection.registry.moves.list(owner, model, alias=alias, limit=limit, before=before)
    if json:
        print_json([move_document(move) for move in listed])
    elif listed:
        show(history_table(listed))
    else:
        message(_describe_absence(model, moment))


def _roll_out(
    connection: Connection,
    promoted: VersionRecord,
    *,
    canary: float | None,
    shadow: float | None,
    minutes: float,
    json: bool,
) -> None:
    """Start a rollout and describe it."""
    from pipeline.contracts.promotion.rollout import RolloutRule
    from pipeline.registry.aliases import AliasRef

    rule = (
        RolloutRule(mode="shadow", percent=shadow, minutes=minutes)
        if shadow is not None
        else RolloutRule(mode="canary", percent=canary or 0.0, minutes=minutes)
    )
    live = AliasRef(promoted.tenant, promoted.model)
    change = f"{promoted.model}@{promoted.version} {rule.mode} {rule.percent:g} %"
    with logged_change(connection, promoted.tenant, "promote", change) as by:
        rollout = connection.registry.rollouts.start(live, promoted.version, rule, by=by)
    message(f"{promoted.model} version {promoted.version} is a {rollout.summary}", style="green")
    message(f"'modeldrop history {promoted.model}' shows how it ended; 'modeldrop rollback {promoted.model} --alias "
            f"{rule.mode}' ends it now", style="dim")  # fmt: skip
    if json:
        print_json(rollout.model_dump(mode="json"))


def _report(moved: VersionRecord, alias: str, previous: int | None, *, is_promotion: bool, json: bool) -> None:
    """Print the version that an alias points to now; after a promotion, also that the next run may replace it."""
    role = "live" if alias == LIVE else f"'{alias}'"
    message(f"{moved.model} version {moved.version} is {role} ({moved.variant_name})", style="green")
    if json:
        print_json(promoted_document(moved, alias=alias, previous=previous))
    if is_promotion and alias == LIVE:
        message("the next run replaces it unless its train.yaml says promote: manual", style="dim")


def _describe_absence(model: str, moment: str | None) -> str:
    return f"no alias of {model} has moved yet" if moment is None else f"no version of {model} was live then"
