"""drop and watch with an API key, without AWS credentials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.client.session import session_of
from pipeline.cli.terminal.exit_codes import ExitCode, StoppedError, message
from pipeline.contracts.errors import NotFoundError

if TYPE_CHECKING:
    from pipeline.cli.client.key_api import KeyApi
    from pipeline.cli.upload.upload import DropOptions
    from pipeline.contracts.records.run import Run

__all__ = ["drop_with_key", "find_with_key", "watch_with_key"]

_RUN_NAME = re.compile(r".+_.+_[0-9a-f]{12}")


def drop_with_key(ctx: typer.Context, api: KeyApi, file: Path, options: DropOptions, *, json: bool) -> None:
    """Upload a file, and watch its run if ``options`` ask for it.

    Args:
        ctx: Context of the command.
        api: The stack's API.
        file: File, or folder of images.
        options: Model, target, settings.
        json: Print a document.
    """
    from pipeline.cli.terminal.console import print_json
    from pipeline.cli.upload.by_key import drop_by_key
    from pipeline.cli.views.json_documents import pending_document
    from pipeline.contracts.object_keys import tenant_of_run

    with api:
        run = drop_by_key(file, api, options)
        if run is None:
            message(f"{file.name} was stored; it accompanies a data file and does not start a run")
        elif options.watch:
            watch_with_key(ctx, api, run, json=json)
        else:
            message(f"'modeldrop watch {run}' follows the run")
        tenant = options.tenant if run is None else tenant_of_run(run)
    if json:
        print_json(pending_document(run, tenant=tenant, model=options.model, file=file.name))
    elif run is not None:
        typer.echo(run)


def find_with_key(api: KeyApi, name: str) -> str:
    """Return the name of a run, or of a model's newest run. A run's name is returned even if the run has not begun.

    Raises:
        NotFoundError: There is neither.
    """
    try:
        return api.find(name).run
    except NotFoundError:
        if not _RUN_NAME.fullmatch(name):
            raise
        message(f"{name} has not begun: waiting for its start", style="dim")
        return name


def watch_with_key(ctx: typer.Context, api: KeyApi, run: str, *, json: bool) -> None:
    """Follow a run until it ends, and exit with its code.

    Args:
        ctx: Context of the command.
        api: The stack's API.
        run: Name of the run.
        json: Print the run's record.

    Raises:
        StoppedError: The user stopped it; the run goes on.
        typer.Exit: The run has ended.
    """
    from pipeline.cli.client.follow import exit_code, follow_run, wait_for_start
    from pipeline.cli.terminal.console import print_json
    from pipeline.cli.views.json_documents import run_document

    sleep = session_of(ctx).world.sleep
    try:
        wait_for_start(run, api, sleep=sleep)
        ended = follow_run(run, api, tuple, sleep=sleep)
    except KeyboardInterrupt:
        sentence = f"the run continues: 'modeldrop watch {run}' follows it again"
        raise StoppedError(sentence, "Interrupted", ExitCode.INTERRUPTED) from None
    if json:
        print_json(run_document(ended))
    else:
        _report(ended)
    raise typer.Exit(exit_code(ended))


def _report(run: Run) -> None:
    if run.error is not None:
        message(f"{run.run} failed: {run.error.message} ({run.error.type})", style="red")
    elif run.status == "NEEDS_DECISION":
        message(f"version {run.version} waits for a decision: {run.reason}", style="yellow")
    else:
        message(
            f"this run made {run.model} version {run.version}{f': {run.reason}' if run.reason else ''}", style="green"
        )
