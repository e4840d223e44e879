"""The demo: train and call a model of a real file, then a quantized one."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.columns import Columns
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from modeldrop.calls import infer_url
from pipeline.cli.client.follow import exit_code, follow_run, report_end
from pipeline.cli.demo.data import TARGET, Data, image, prepare
from pipeline.cli.input.rows import find_source
from pipeline.cli.prediction.predict import predict_rows
from pipeline.cli.prediction.predictions_table import is_correct, prediction_text, predictions_table
from pipeline.cli.terminal.console import err, show
from pipeline.cli.terminal.exit_codes import ExitCode, message
from pipeline.cli.upload.upload import DropOptions, drop_file
from pipeline.cli.views.tables import size

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection, Session
    from pipeline.cli.prediction.predict import PredictedRows
    from pipeline.contracts.records.model_version import ModelVersion

__all__ = ["run_demo"]

_NEXT = (
    ("models", "list the models that are served"),
    ("check FILE", "show how your own file would be read"),
    ("drop FILE --target NAME", "train a model on it"),
    ("down", "stop the embedded cloud (--wipe also deletes its data)"),
)
_SHOWN = 6
_IMAGES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Act:
    model: str
    headline: str
    story: str
    spec: Path | None = None
    images: bool = False


def run_demo(session: Session) -> None:
    """Start the embedded cloud if it is not up, make and call two models, and leave it running.

    Raises typer.Exit with the code of the first run that did not succeed.
    """
    if session.choice.stack is None:
        _print_headline("The embedded cloud")
        session.dependencies.control.up(
            home=session.choice.home,
            bind="127.0.0.1",
            foreground=False,
            report=lambda text: message(text, style="dim"),
        )
    connection = session.connection()
    data = prepare(_folder(connection))
    began = time.monotonic()
    for act in _acts(data):
        _play(act, data, session, connection)
    _print_headline("Done")
    message(f"Trained and deployed two models in {time.monotonic() - began:.0f} s. The stack keeps running. Next:")
    steps = [(f"modeldrop {command}", purpose) for command, purpose in _NEXT]
    if activation := _activation():
        steps.insert(0, (activation, "put modeldrop on your PATH"))
    for command, purpose in steps:
        message(f"  {command:<34}  {purpose}")


def _activation() -> str | None:
    """Return the line that activates the virtual environment; None if it is active, or there is none."""
    environment = Path(sys.prefix)
    if sys.prefix == sys.base_prefix or shutil.which("modeldrop"):
        return None
    return f". {shlex.quote(str(environment / 'bin' / 'activate'))}"


def _acts(data: Data) -> tuple[_Act, ...]:
    return (
        _Act(
            model="digits",
            headline="1. Drop a file",
            story="1,617 handwritten digits, 64 pixel columns. The train.yaml names four fast algorithms and int8.",
            spec=data.quick_spec,
            images=True,
        ),
        _Act(
            model="digits-int8",
            headline="2. Train and quantize a network",
            story="The same file with another train.yaml: algorithms: [mlp], training: {epochs: 30}.",
            spec=data.spec,
        ),
    )


def _play(act: _Act, data: Data, session: Session, connection: Connection) -> None:
    _print_headline(act.headline)
    message(act.story)
    tenant = connection.tenant(None)
    run = drop_file(data.file, connection, DropOptions(tenant=tenant, model=act.model, target=TARGET, spec=act.spec))
    assert run is not None, "a csv starts a run"
    ended = follow_run(run, connection.runs, connection, sleep=session.dependencies.sleep)
    report_end(ended, connection)
    if (code := exit_code(ended)) is not ExitCode.OK:
        raise typer.Exit(code)
    _call(act, data, session, connection)


def _call(act: _Act, data: Data, session: Session, connection: Connection) -> None:
    """Predict the held-out rows, and print how to repeat the call."""
    live = connection.registry.live(connection.tenant(None), act.model)
    message(f"{live.variant_name} is served: one ONNX file of {size(live.artifact.bytes)}")
    predicted = predict_rows(
        find_source(str(data.held_out_file)), session, connection, model=act.model, tenant=connection.tenant(None)
    )
    message(f"\nPredictions of {len(predicted.predictions)} held-out rows over HTTP:")
    if act.images:
        show(_images(data, predicted))
    show(predictions_table(predicted, shown=_SHOWN))
    message("\nThe same with curl:")
    typer.echo(_curl(data, connection, live))


def _images(data: Data, predicted: PredictedRows) -> Columns:
    panels = []
    for row, prediction in list(zip(data.held_out, predicted.predictions, strict=True))[:_IMAGES]:
        panels.append(
            Panel(
                image(row),
                title=Text.assemble("predicted ", prediction_text(prediction)),
                subtitle=f"truth {row[TARGET]}",
                border_style="green" if is_correct(prediction, row[TARGET]) else "red",
            )
        )
    return Columns(panels)


def _curl(data: Data, connection: Connection, live: ModelVersion) -> str:
    """Write one held-out row to a file, and return the curl command that posts it."""
    row = data.held_out[0]
    rows = [{column.name: row[column.name] for column in live.signature.columns}]
    body = data.file.with_name(f"{live.model}_request.json")
    body.write_text(json.dumps({"rows": rows}, indent=1))
    key = shlex.quote(connection.status.api_key) if connection.status.api_key else '"$MODELDROP_API_KEY"'
    url = infer_url(connection.status.api_url or "", live.model)
    return (
        f"curl -s {shlex.quote(url)} -H x-api-key:{key} -H content-type:application/json -d @{shlex.quote(str(body))}"
    )


def _folder(connection: Connection) -> Path:
    """Return the folder of the demo's files, next to the embedded cloud's data."""
    home = connection.status.home
    return home / "demo" if home else Path(tempfile.mkdtemp(prefix="modeldrop-demo-"))


def _print_headline(headline: str) -> None:
    err().print()
    err().print(Rule(Text(headline, style="bold"), align="left"))
