"""The demo: a real file, dropped by a plain S3 put, becomes a served model; and a quantized network, served as int8."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from pipeline.cli.answer_views import answer_text, answers_table, is_right
from pipeline.cli.consoles import err, show
from pipeline.cli.demo_data import Part, picture, prepare
from pipeline.cli.dropping import drop_file
from pipeline.cli.exits import ExitCode, message
from pipeline.cli.follow import follow, report_end, wait_for_start
from pipeline.cli.model_api import infer_url
from pipeline.cli.predicting import predict_rows
from pipeline.cli.rows import read_rows
from pipeline.cli.views import size

if TYPE_CHECKING:
    from pipeline.cli.predicting import Answers
    from pipeline.cli.session import Connection, Session
    from pipeline.contracts.model_version import ModelVersion

__all__ = ["run_demo"]

_SHOWN = 8
_PICTURES = 5


def run_demo(session: Session) -> None:
    """Start the embedded cloud if it is not up, take both parts the whole way, and leave it running.

    Raises typer.Exit with the code of the first run that did not end well.
    """
    if session.choice.stack is None:
        _say("The embedded cloud")
        session.world.control.up(
            home=session.choice.home,
            bind="127.0.0.1",
            foreground=False,
            report=lambda text: message(text, style="dim"),
        )
    connection = session.connection()
    began = time.monotonic()
    for part in prepare(_folder(connection)):
        _play(part, session, connection)
    _say("Done")
    message(f"Two files became two served models in {time.monotonic() - began:.0f} s. The stack goes on running:")
    message("  modeldrop models                    what is served")
    message("  modeldrop drop FILE --target NAME   your own file")
    message("  modeldrop down                      end it (--wipe forgets its data too)")


def _play(part: Part, session: Session, connection: Connection) -> None:
    _say(f"{part.model}.csv")
    message(part.story)
    if part.spec is not None:
        message("train.yaml:  " + part.spec.read_text().splitlines()[-1])
    tenant = connection.tenant(None)
    run = drop_file(part.file, connection, tenant=tenant, model=part.model, target=part.target, spec=part.spec)
    assert run is not None, "a csv starts a run"
    wait_for_start(run, connection.runs, sleep=session.world.sleep)
    ended = follow(run, connection.runs, sleep=session.world.sleep)
    code = report_end(ended, connection)
    if code is not ExitCode.OK:
        raise typer.Exit(code)
    _served(part, session, connection)


def _served(part: Part, session: Session, connection: Connection) -> None:
    """Call the model with the rows that were kept back, and say how to do it again."""
    live = connection.registry.live(connection.tenant(None), part.model)
    message(_served_as(live))
    answers = predict_rows(
        read_rows(str(part.held_out_file)), session, connection, model=part.model, tenant=connection.status.tenant
    )
    message(f"\n{len(answers.predictions)} rows that were kept back, over HTTP:")
    if part.pictures:
        show(_pictures(part, answers))
    show(answers_table(answers, shown=_SHOWN))
    message("\nAgain, with any HTTP client:")
    typer.echo(_curl(part, connection, live))


def _served_as(live: ModelVersion) -> str:
    file = live.artifact
    return f"served: {live.algorithm} as {live.precision}, {size(file.bytes)}, sha256 {file.sha256[:12]}…"


def _pictures(part: Part, answers: Answers) -> Columns:
    panels = []
    for row, prediction in list(zip(part.held_out, answers.predictions, strict=True))[:_PICTURES]:
        right = is_right(prediction, row[part.target])
        title = Text.assemble("it says ", answer_text(prediction))
        panels.append(
            Panel(
                picture(row),
                title=title,
                subtitle=f"truth {row[part.target]}",
                border_style="green" if right else "red",
            )
        )
    return Columns(panels)


def _curl(part: Part, connection: Connection, live: ModelVersion) -> str:
    """One held-out row in a file beside the others, and the line that posts it."""
    names = {column.name for column in live.signature.columns}
    row = {name: value for name, value in part.held_out[0].items() if name in names}
    body = part.file.with_name(f"{part.model}_request.json")
    body.write_text(json.dumps({"rows": [row]}, indent=1))
    key = shlex.quote(connection.status.api_key) if connection.status.api_key else '"$MODELDROP_API_KEY"'
    url = infer_url(connection.status.api_url or "", part.model)
    return (
        f"curl -s {shlex.quote(url)} -H x-api-key:{key} -H content-type:application/json -d @{shlex.quote(str(body))}"
    )


def _folder(connection: Connection) -> Path:
    """Beside the embedded cloud's own data; a stack on AWS has no folder here."""
    home = connection.status.home
    return home / "demo" if home else Path(tempfile.mkdtemp(prefix="modeldrop-demo-"))


def _say(headline: str) -> None:
    err().print(Rule(Text(headline, style="bold"), align="left"))
