"""up, down, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.client.session import Session, session_of
from pipeline.cli.commands.options import JsonOption
from pipeline.cli.terminal.console import print_json, print_result
from pipeline.cli.terminal.exit_codes import ExitCode, message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import status_document

if TYPE_CHECKING:
    from pipeline.contracts.stack import StackStatus

__all__ = ["register"]

_UP = """
Examples:
  modeldrop up                            # does nothing if it already runs
  modeldrop up --foreground               # until Ctrl-C
  modeldrop up --bind 0.0.0.0             # other machines can connect
  modeldrop up WebhookUrl=http://127.0.0.1:9000/   # kept for later starts
  modeldrop up WebhookUrl=                # restores the default

The embedded cloud does not check AWS signatures: bind it only to networks that you trust.
--allow-code and ModelCode are not kept for later starts."""
_STATUS = """
Examples:
  modeldrop status
  modeldrop status --json | jq -r .api_url

Exit code 3 if nothing is running."""


def register(app: typer.Typer) -> None:
    """Add ``modeldrop up``, ``down`` and ``status``."""
    panel = "The stack"
    app.command(cls=Command, epilog=_UP, rich_help_panel=panel)(up)
    app.command(cls=Command, rich_help_panel=panel)(down)
    app.command(cls=Command, epilog=_STATUS, rich_help_panel=panel)(status)


def up(
    ctx: typer.Context,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Parameters of the template, kept; NAME= restores the default."),
    ] = None,
    *,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in the foreground; Ctrl-C ends it.")] = False,
    bind: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run users' model.py files, as your own user.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start the embedded cloud and deploy the template to it."""
    from pipeline.deployment.template import parse_overrides, read_template
    from pipeline.local.control import TEMPLATE

    session = _embedded(ctx)
    overrides = parse_overrides(parameters, read_template(TEMPLATE), with_empty=True) if parameters else {}
    if json and foreground:
        raise typer.BadParameter("--json and --foreground exclude each other: 'up --json' returns when it is up")
    cloud = session.dependencies.control.up(
        home=session.choice.home,
        bind=bind,
        foreground=foreground,
        parameters=overrides | ({"ModelCode": "none"} if allow_code else {}),
        report=lambda text: message(text, style="dim"),
    )
    if not foreground:
        _print_status(cloud, json=json)
        message("'modeldrop drop FILE' trains a model; 'modeldrop down' stops the embedded cloud")


def down(
    ctx: typer.Context,
    wipe: Annotated[bool, typer.Option("--wipe", help="Delete its data too: uploads, runs, models, keys.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about runs that are still running.")] = False,
    json: JsonOption = False,
) -> None:
    """Stop the embedded cloud. Its data is kept, unless --wipe is set."""
    from pipeline.cli.client.stopping import confirm_stop, running_runs

    session = _embedded(ctx)
    runs = running_runs(session)
    confirm_stop(runs, confirmed=yes)
    stopped = session.dependencies.control.down(home=session.choice.home, wipe=wipe)
    message("stopped" if stopped else "nothing was running")
    for run in runs:
        message(f"ended the run {run.run} ({run.file})", style="yellow")
    if wipe:
        _forget_demo(session)
        message("its data is deleted")
    if json:
        print_json({"stopped": stopped, "wiped": wipe, "ended_runs": [run.run for run in runs]})


def status(ctx: typer.Context, json: JsonOption = False) -> None:
    """Show addresses and API key."""
    cloud = session_of(ctx).status()
    _print_status(cloud, json=json)
    if not cloud.running:
        raise typer.Exit(ExitCode.NOT_RUNNING)


def _print_status(status: StackStatus, *, json: bool) -> None:
    from pipeline.cli.views.tables import status_table

    print_result(status_document(status), lambda: status_table(status), json=json)


def _forget_demo(session: Session) -> None:
    """Delete the demo's files, which are next to the embedded cloud's."""
    import shutil

    home = session.dependencies.control.status(home=session.choice.home).home
    if home is not None:
        shutil.rmtree(home / "demo", ignore_errors=True)


def _embedded(ctx: typer.Context) -> Session:
    session = session_of(ctx)
    if session.choice.stack:
        raise typer.BadParameter(
            f"'{ctx.info_name}' is for the embedded cloud; 'modeldrop deploy' makes a stack on AWS and 'modeldrop "
            "destroy' removes it"
        )
    return session
