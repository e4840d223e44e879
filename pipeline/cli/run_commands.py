"""drop, runs, watch, logs."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.exits import ExitCode, message
from pipeline.cli.session import session_of

if TYPE_CHECKING:
    from pipeline.cli.session import Connection
    from pipeline.contracts.run import Run

__all__ = ["register"]

_DROP = """Examples:

  modeldrop drop houses.csv --target price

  modeldrop drop adult/train.csv          # the model's name is then adult

  modeldrop drop houses.csv --spec train.yaml --model houses2 --tenant acme

  modeldrop drop clicks/                  # part-*.parquet, one data set; or folders of pictures, one a class

  run=$(modeldrop drop houses.csv --no-watch)

Exit codes: 0 the model is live, 1 the run failed, 4 a version waits for 'modeldrop promote'."""
_RUNS = """Examples:

  modeldrop runs --tenant demo --limit 5

  modeldrop runs --json | jq -r '.[0].status'

A status is RUNNING, SUCCEEDED, FAILED or NEEDS_DECISION; REJECTED is an upload whose key is not TENANT/MODEL/FILE."""
_WATCH = """Examples:

  modeldrop watch demo_houses_1f2e3d4c5b6a

  modeldrop watch RUN --json | jq .error  # the run's record, once it has ended

Exit codes: 0 the model is live, 1 the run failed, 4 a version waits for 'modeldrop promote'."""
_LOGS = """Examples:

  modeldrop logs demo_houses_1f2e3d4c5b6a

  modeldrop logs RUN --follow             # until the run ends"""

TenantOption = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose. The stack's own tenant by default.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, as 'modeldrop runs' lists it.")]
FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        exists=True,
        readable=True,
        help="csv, tsv, txt, jsonl (also .gz), parquet, xlsx, npz, a zip of pictures; a folder of parts or pictures.",
    ),
]


def register(app: typer.Typer) -> None:
    panel = "Runs"
    app.command(epilog=_DROP, rich_help_panel=panel)(drop)
    app.command(epilog=_RUNS, rich_help_panel=panel)(runs)
    app.command(epilog=_WATCH, rich_help_panel=panel)(watch)
    app.command(epilog=_LOGS, rich_help_panel=panel)(logs)


def drop(
    ctx: typer.Context,
    *,
    file: FileArgument,
    tenant: TenantOption = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="The model's name; by default the file's.")] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column to learn, whatever train.yaml says; by default the last."),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="train.yaml", exists=True, dir_okay=False, help="Settings; put beside the file before it."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Refuse before the upload what the run would refuse.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm large or unusual uploads.")] = False,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Show the run until it ends.")] = True,
    json: JsonOption = False,
) -> None:
    """Drop a data file, or a folder of them, into the uploads bucket, and watch it become a model."""
    from pipeline.cli.dropping import DropOptions, drop_file, drop_folder, model_of

    session = session_of(ctx)
    connection = session.connection()
    put = partial(drop_folder, now=datetime.now(UTC)) if file.is_dir() else drop_file
    options = DropOptions(
        tenant=connection.tenant(tenant),
        model=model or model_of(file),
        target=target,
        spec=spec,
        check=check,
        watch=watch,
        confirmed=yes,
    )
    run = put(file, connection, options)
    if run is None:
        message(f"{file.name} was put there; it accompanies a data file and starts no run of its own")
    elif watch:
        _watch(ctx, connection, run, json=json)
    else:
        typer.echo(run)


def runs(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 20,
    json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    from pipeline.cli.consoles import print_json, show
    from pipeline.cli.documents import rejected_document, run_document
    from pipeline.cli.rejected_views import merge_newest, rejected_lines
    from pipeline.cli.views import runs_table
    from pipeline.contracts.run import Run

    log = session_of(ctx).connection().runs
    newest, rejected = merge_newest(
        log.list(tenant=tenant, limit=limit), log.rejected(tenant=tenant, limit=limit), limit
    )
    if json:
        print_json([run_document(one) if isinstance(one, Run) else rejected_document(one) for one in newest])
        return
    show(runs_table([run for run in newest if isinstance(run, Run)], now=datetime.now(UTC)))
    for line in rejected_lines(rejected):
        show(line)


def watch(ctx: typer.Context, run: RunArgument, json: JsonOption = False) -> None:
    """Show a run's stages until it ends; then what was tried, or what went wrong."""
    connection = session_of(ctx).connection()
    connection.runs.get(run)
    _watch(ctx, connection, run, json=json)


def logs(
    ctx: typer.Context,
    run: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the run ends.")] = False,
    json: JsonOption = False,
) -> None:
    """Print what the functions and jobs of a run logged, oldest first."""
    from pipeline.cli.logs import print_logs

    session = session_of(ctx)
    connection = session.connection()
    print_logs(connection.runs.get(run), connection, follow=follow, json=json, sleep=session.world.sleep)


def _watch(ctx: typer.Context, connection: Connection, run: str, *, json: bool) -> None:
    from pipeline.cli.follow import follow, wait_for_start

    sleep = session_of(ctx).world.sleep
    try:
        wait_for_start(run, connection.runs, sleep=sleep)
        ended = follow(run, connection, sleep=sleep)
    except KeyboardInterrupt:
        message(f"the run goes on without you: 'modeldrop watch {run}' finds it again")
        raise typer.Abort from None
    raise typer.Exit(_end(ended, connection, json=json))


def _end(run: Run, connection: Connection, *, json: bool) -> ExitCode:
    from pipeline.cli.consoles import print_json
    from pipeline.cli.documents import run_document
    from pipeline.cli.follow import exit_code, report_end

    if json:
        print_json(run_document(run))
        return exit_code(run)
    return report_end(run, connection)
