"""convert: a model that was trained elsewhere becomes ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.commands.options import JsonOption
from pipeline.cli.terminal.console import print_json
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.terminal.help_pages import Command

__all__ = ["register"]

_EXAMPLES = """
Examples:
  modeldrop convert forest.joblib --sample rows.csv
  modeldrop convert net.pt --sample rows.csv   # model.py beside it: build()
  modeldrop convert model.cbm --sample rows.csv --out churn.onnx

FILE is a scikit-learn, LightGBM or XGBoost estimator or pipeline
(.joblib, .pkl), CatBoost's .cbm, a torch state (.pt, .safetensors), or a
Keras model (.keras, .h5, a SavedModel folder; needs tensorflow, tf2onnx)."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command, epilog=_EXAMPLES, rich_help_panel="Models")(convert)


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The trained model.", exists=True)],
    sample: Annotated[
        Path,
        typer.Option(
            "--sample",
            metavar="ROWS",
            help="A csv or Parquet file of its features, predicted by both models.",
            exists=True,
            dir_okay=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="MODEL.onnx", help="Default: the file's name with .onnx.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Convert a model that was trained elsewhere to ONNX, and compare the predictions of both."""
    from pipeline.cli.views.tables import size
    from pipeline.conversion.convert import convert as convert_model
    from pipeline.conversion.loading import PICKLES

    if file.suffix.lower() in PICKLES:
        message(f"loading {file.name} runs the code in it: convert only files that you trust", style="yellow")
    target = out or Path(f"{file.stem}.onnx")
    conversion = convert_model(file, sample, target)
    message(
        f"{conversion.kind} in {target} ({size(target.stat().st_size)}): it reads {len(conversion.columns)} columns"
    )
    message(
        f"verified: {conversion.equal} of {conversion.rows} rows are predicted equally "
        f"(largest difference {conversion.max_difference:.1e})"
    )
    if json:
        print_json(
            {
                "file": str(target),
                "kind": conversion.kind,
                "columns": list(conversion.columns),
                "rows": conversion.rows,
                "equal": conversion.equal,
                "max_difference": conversion.max_difference,
            }
        )
