"""check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.commands.options import JsonOption
from pipeline.cli.terminal.console import err, print_json, print_result
from pipeline.cli.terminal.help_pages import Command

if TYPE_CHECKING:
    from pipeline.cli.upload.check import Check

__all__ = ["register"]

_CHECK = """
Examples:
  modeldrop check houses.csv
  modeldrop check houses.csv --json | jq '.columns[] | select(.dropped)'
  modeldrop check clicks/                 # a folder, as for 'drop'

A train.yaml, a test.csv (or parquet, ...) and a model.py in the same folder are read, too. Nothing is uploaded or run.

Exit codes: 0 a run would begin, 1 a run would refuse the file: the message says why."""

_MAX_NAMED = 6  # columns


def register(app: typer.Typer) -> None:
    """Add ``modeldrop check``."""
    app.command(cls=Command, epilog=_CHECK, rich_help_panel="Runs")(check)


def check(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, readable=True, help="A data file, a folder or an .onnx model, as for drop."
        ),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column to predict, or several: a,b (default: the last one).")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="train.yaml",
            exists=True,
            dir_okay=False,
            help="Settings to use instead of the folder's train.yaml.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show how a file would be read, which candidates would be trained, and the estimated time and cost."""
    from pipeline.cli.upload.check_report import check_view

    if file.suffix.lower() == ".onnx":
        _check_model(file, spec, json=json)
        return
    result = _check(file, target, spec)
    print_result(result.document(), lambda: check_view(result), json=json)


def _check_model(file: Path, spec: Path | None, *, json: bool) -> None:
    from pipeline.cli.upload.model_check import read_model_file

    dataset = read_model_file(file, spec)
    if json:
        print_json(dataset.model_dump(mode="json"))
        return
    names = ", ".join(column.name for column in dataset.columns[:_MAX_NAMED])
    more = f" and {len(dataset.columns) - _MAX_NAMED:,} more" if len(dataset.columns) > _MAX_NAMED else ""
    classes = f" of {len(dataset.classes)} classes" if dataset.classes else ""
    typer.echo(f"{file.name} can be served: {dataset.task}{classes}, from {names}{more}")
    for warning in dataset.warnings:
        typer.echo(f"  {warning}")


def _check(file: Path, target: str | None, spec: Path | None) -> Check:
    """Check a file, with a spinner, since a large one takes a while."""
    from pipeline.cli.upload.check import check_path

    with err().status(f"reading {file.name}"):  # prints nothing without a terminal
        return check_path(file, target=target, spec=spec)
