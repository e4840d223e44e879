"""drop, runs, watch, logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline.cli.client.lookup import find_run
from pipeline.cli.client.session import session_of
from pipeline.cli.commands.options import (
    JsonOption,
    RunArgument,
    TenantFilter,
    TenantOption,
    complete_models,
    complete_runs_and_models,
)
from pipeline.cli.terminal.console import print_json, show
from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError, message
from pipeline.cli.terminal.help_pages import Command
from pipeline.cli.views.json_documents import pending_document, rejected_document, run_document
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.object_keys import tenant_of_run
from pipeline.contracts.stack import DEFAULT_TENANT

if TYPE_CHECKING:
    from pipeline.cli.client.follow import RunReader
    from pipeline.cli.client.key_api import KeyApi
    from pipeline.cli.client.run_listing import Listed, RunFilter
    from pipeline.cli.client.session import Connection
    from pipeline.cli.upload.upload import DropOptions
    from pipeline.contracts.records.run import Run

__all__ = ["register", "watch_run"]

_DROP = """
Examples:
  modeldrop drop houses.csv --target price
  modeldrop drop adult/train.csv          # the model is named adult
  modeldrop drop houses.csv --spec train.yaml --model houses2 --tenant acme
  modeldrop drop clicks/                  # part files: one data set
  modeldrop drop shapes/                  # images: one folder per class
  run=$(modeldrop drop houses.csv --no-watch)

Exit codes: 0 the model is live, 1 the run failed, 4 a version waits for a decision."""
_RUNS = """
Examples:
  modeldrop runs --model houses --status failed --since 1d --limit 5
  modeldrop runs demo_houses_1f2e3d4c5b6a # with its error or leaderboard
  modeldrop runs --json | jq -r '.[0].status'

The status is RUNNING, SUCCEEDED, FAILED or NEEDS_DECISION; REJECTED is an upload that started no run."""
_WATCH = """
Examples:
  modeldrop watch demo_houses_1f2e3d4c5b6a
  modeldrop watch houses                  # its newest run
  modeldrop watch RUN --json | jq .error  # after the run has ended

Exit codes: 0 the model is live, 1 the run failed, 4 a version waits for a decision."""
_LOGS = """
Examples:
  modeldrop logs demo_houses_1f2e3d4c5b6a
  modeldrop logs houses --follow          # its newest run, until the run ends"""

_RUN_NAME = re.compile(r".+_.+_[0-9a-f]{12}")

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        readable=True,
        help="csv, tsv, txt, json, jsonl (also .gz), parquet, xlsx, npz, a zip of images; a folder; an .onnx model. "
        "Start no run, but are used by the next ones: model.py, test.csv, train.yaml.",
    ),
]

_file_option = partial(typer.Option, exists=True, dir_okay=False)
SpecOption = Annotated[
    Path | None,
    _file_option(metavar="train.yaml", help="Training settings; uploaded first and kept for later drops."),
]
CalibrationOption = Annotated[
    Path | None,
    _file_option(metavar="ROWS.csv", help="Rows with which an .onnx file is measured and quantized."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of runs: ``drop``, ``watch``, ``runs``, ``logs``."""
    panel = "Runs"
    app.command(cls=Command, epilog=_DROP, rich_help_panel=panel)(drop)
    app.command(cls=Command, epilog=_RUNS, rich_help_panel=panel)(runs)
    app.command(cls=Command, epilog=_WATCH, rich_help_panel=panel)(watch)
    app.command(cls=Command, epilog=_LOGS, rich_help_panel=panel)(logs)


def drop(
    ctx: typer.Context,
    *,
    file: FileArgument,
    tenant: TenantOption = None,
    model: Annotated[
        str | None, typer.Option("--model", "--name", metavar="MODEL", help="Model name (default: the file's).")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column to predict, or several: a,b; overrides train.yaml (default: the last one)."
        ),
    ] = None,
    spec: SpecOption = None,
    calibration: CalibrationOption = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Check the file before the upload, as the run would.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm large or unusual uploads.")] = False,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Follow the run until it ends.")] = True,
    json: JsonOption = False,
) -> None:
    """Drop a data file, a folder, or an .onnx model into the uploads bucket, and watch it become a model."""
    from pipeline.cli.upload.by_key import drop_by_key
    from pipeline.cli.upload.upload import DropOptions, drop_file, drop_folder, model_of

    session = session_of(ctx)
    api = session.key_api()
    connection = session.connection() if api is None else None
    options = DropOptions(
        tenant=DEFAULT_TENANT if connection is None else connection.tenant(tenant),
        model=model or model_of(file),
        target=target,
        spec=spec,
        calibration=calibration,
        check=check,
        watch=watch,
        confirmed=yes,
    )
    reader: RunReader
    with api or nullcontext():
        if connection is None:
            assert api is not None, "a stack is reached by its API or by AWS"
            reader, run = api, drop_by_key(file, api, options)
        else:
            put = partial(drop_folder, now=datetime.now(UTC)) if file.is_dir() else drop_file
            reader, run = connection.runs, put(file, connection, options)
        if run is None:
            message(f"{file.name} was stored; it accompanies a data file and does not start a run")
        elif watch:
            watch_run(ctx, run, reader, connection, json=json)
        else:
            message(f"'modeldrop watch {run}' follows the run")
    _print_dropped(run, options, file, json=json)


def _print_dropped(run: str | None, options: DropOptions, file: Path, *, json: bool) -> None:
    """Print the run's name to stdout, for scripts."""
    if json:
        owner = options.tenant if run is None else tenant_of_run(run)
        print_json(pending_document(run, tenant=owner, model=options.model, file=file.name))
    elif run is not None:
        typer.echo(run)


def runs(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Show one run, or a model's newest, with its error or leaderboard.",
            autocompletion=complete_runs_and_models,
        ),
    ] = None,
    *,
    tenant: TenantFilter = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Show only this model's.", autocompletion=complete_models)
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="running, succeeded, failed, needs_decision or rejected.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Show runs since 30m, 2h, 1d or 2w ago, or since 2026-11-29.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most this many.")] = 20,
    json: JsonOption = False,
) -> None:
    """List runs, newest first, or show one."""
    from pipeline.cli.client.run_listing import RunFilter, choose_newest, list_runs, parse_since, parse_status

    now = datetime.now(UTC)
    chosen = RunFilter(
        tenant=tenant,
        model=model,
        status=parse_status(status) if status else None,
        since=parse_since(since, now=now) if since else None,
    )
    session = session_of(ctx)
    api = session.key_api()
    if api is not None:
        with api:
            if run is not None:
                _show_run(api.find(run), None, json=json)
            else:
                _print_runs(choose_newest(api.runs(model=model), api.rejected(), chosen, limit), chosen, json=json)
        return
    connection = session.connection()
    if run is not None:
        _show_run(find_run(connection, run, tenant), connection, json=json)
    else:
        _print_runs(list_runs(connection, chosen, limit=limit), chosen, json=json)


def _print_runs(listed: Listed, chosen: RunFilter, *, json: bool) -> None:
    from pipeline.cli.views.rejected_uploads import rejected_lines
    from pipeline.cli.views.runs import runs_table
    from pipeline.contracts.records.run import Run

    newest, rejected = listed
    if json:
        print_json([run_document(entry) if isinstance(entry, Run) else rejected_document(entry) for entry in newest])
        return
    if not newest:
        message("no such runs" if chosen.is_narrow else "no runs yet: 'modeldrop drop FILE' starts one")
    if runs := [run for run in newest if isinstance(run, Run)]:
        show(runs_table(runs, now=datetime.now(UTC)))
    for line in rejected_lines(rejected):
        line.no_wrap, line.overflow = True, "ignore"  # so that keys can be copied
        show(line)


def _show_run(run: Run, connection: Connection | None, *, json: bool) -> None:
    """Show a run; the leaderboard and files only with a connection, since the API returns only the record."""
    from pipeline.cli.client.follow import print_locations, show_leaderboard, show_warnings
    from pipeline.cli.views.runs import error_text
    from pipeline.cli.views.tables import run_panel

    if json:
        print_json([run_document(run)])
        return
    show(run_panel(run, now=datetime.now(UTC)))
    if connection is not None:
        show_leaderboard(run, connection, details=True)
        show_warnings(run, connection)
    if text := error_text(run):
        show(text)
    if run.error and connection is not None:
        print_locations(run, connection)


def watch(ctx: typer.Context, run: RunArgument, tenant: TenantOption = None, json: JsonOption = False) -> None:
    """Show a run's stages until it ends; then what was tried, or what went wrong."""
    session = session_of(ctx)
    if (api := session.key_api()) is not None:
        with api:
            watch_run(ctx, _find_by_key(api, run), api, None, json=json)
    connection = session.connection()
    watch_run(ctx, find_run(connection, run, tenant).run, connection.runs, connection, json=json)


def logs(
    ctx: typer.Context,
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow until the run ends.")] = False,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Print what the functions and jobs of a run logged, oldest first."""
    from pipeline.cli.client.logs import print_logs

    session = session_of(ctx)
    connection = session.connection()
    sleep = session.dependencies.sleep
    print_logs(find_run(connection, run, tenant), connection, follow=follow, json=json, sleep=sleep)


def watch_run(
    ctx: typer.Context,
    run: str,
    runs: RunReader,
    connection: Connection | None,
    *,
    json: bool,
    succeeded: Callable[[], object] = lambda: None,
) -> NoReturn:
    """Follow a run until it ends, then exit with its code.

    Args:
        ctx: Context of the command.
        run: Name of the run.
        runs: Reads the state of the run.
        connection: The stack of the run; None if only its API is reached.
        json: Whether to print the run's record.
        succeeded: Called if the run succeeded.

    Raises:
        StoppedError: The user stopped the command; the run continues.
        typer.Exit: The run has ended.
    """
    from pipeline.cli.client.follow import exit_code, follow_run, report_end

    try:
        ended = follow_run(run, runs, connection, sleep=session_of(ctx).dependencies.sleep)
    except KeyboardInterrupt:
        sentence = f"the run continues: 'modeldrop watch {run}' follows it again"
        raise StoppedError(sentence, "Interrupted", ExitCode.INTERRUPTED) from None
    if ended.status == "SUCCEEDED":
        succeeded()
    if json:
        print_json(run_document(ended))
    else:
        report_end(ended, connection)
    raise typer.Exit(exit_code(ended))


def _find_by_key(api: KeyApi, name: str) -> str:
    """Return the name of a run, or of a model's newest run. A run's name is returned even if the run has not begun.

    Raises:
        NotFoundError: There is no run and no model of that name.
    """
    try:
        return api.find(name).run
    except NotFoundError:
        if not _RUN_NAME.fullmatch(name):
            raise
        message(f"{name} has not begun: waiting for its start", style="dim")
        return name
