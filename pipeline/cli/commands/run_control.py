"""cancel, retry."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.client.caller import logged_change, user_name
from pipeline.cli.client.lookup import find_run
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import JsonOption, RunArgument, TenantOption
from pipeline.cli.terminal.console import print_json
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import pending_document, run_document

__all__ = ["register"]

_CANCEL = """
Examples:
  modeldrop cancel demo_houses_1f2e3d4c5b6a
  modeldrop cancel houses   # its newest run"""
_RETRY = """
Examples:
  modeldrop retry demo_houses_1f2e3d4c5b6a
  modeldrop watch $(modeldrop retry houses)
  modeldrop retry houses --from validate   # with today's settings"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=Command, epilog=_CANCEL, rich_help_panel="Runs")(cancel)
    app.command(cls=Command, epilog=_RETRY, rich_help_panel="Runs")(retry)


def cancel(ctx: typer.Context, run: RunArgument, tenant: TenantOption = None, json: JsonOption = False) -> None:
    """End a run and its jobs; it is then FAILED with a RunCanceledError."""
    from pipeline.use_cases.management.cancel_run import CancelRun

    session = session_of(ctx)
    if (api := session.key_api()) is not None:
        with api:
            name = api.find(run).run
            canceled = api.cancel(name)
    else:
        connection = session.connection()
        record = find_run(connection, run, tenant)
        name = record.run
        with logged_change(connection, record.tenant, "cancel", name):
            canceled = CancelRun(runs=connection.runs, executions=connection.executions)(
                name, by=user_name() or "modeldrop cancel"
            )
    message(f"{name} is canceled; its jobs end within a minute")
    if json:
        print_json(run_document(canceled))


def retry(
    ctx: typer.Context,
    run: RunArgument,
    stage: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Stage to begin with (default: the one that failed)."),
    ] = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Start a new run on the file of an ended one, from the stage that failed."""
    from pipeline.use_cases.management.retry_run import RetryRun

    connection = session_of(ctx).connection()
    record = find_run(connection, run, tenant)
    start_again = RetryRun(
        runs=connection.runs,
        uploads=connection.uploads,
        artifacts=connection.artifacts,
        executions=connection.executions,
    )
    with logged_change(connection, record.tenant, "retry", record.run) as by:
        new = start_again(record.run, stage, by=by)
    message(f"'modeldrop watch {new}' follows the run")
    if json:
        print_json(pending_document(new, tenant=record.tenant, model=record.model, file=record.file))
    else:
        typer.echo(new)
