"""Write predictions as a csv, parquet or jsonl file, or as csv to stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import polars as pl

    from pipeline.cli.prediction.predict import PredictedRows

__all__ = ["OUTPUT_FORMATS", "check_output", "predictions_frame", "print_csv", "write_predictions"]

OUTPUT_FORMATS = (".csv", ".parquet", ".jsonl")


def check_output(path: Path) -> None:
    """Check that the output file can be written, before anything is predicted.

    Raises:
        typer.BadParameter: The suffix is not a known format, or the folder does not exist.
    """
    if path.suffix.lower() not in OUTPUT_FORMATS:
        raise typer.BadParameter(f"'{path.name}' ends in none of {', '.join(OUTPUT_FORMATS)}", param_hint="--output")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder '{path.parent}' does not exist", param_hint="--output")


def predictions_frame(predicted: PredictedRows) -> pl.DataFrame:
    """Return one row per input row: ``row``, ``prediction``, probabilities or quantiles, and ``truth`` if known.

    Several numeric targets have ``prediction_NAME`` and ``truth_NAME`` each.
    """
    import polars as pl

    predictions = predicted.predictions
    columns: dict[str, list[object]] = {"row": list(range(1, len(predictions) + 1))}
    if predicted.signature.targets:
        return _frame_of_targets(predicted, columns)
    if predictions and "label" in predictions[0]:
        columns["prediction"] = [prediction["label"] for prediction in predictions]
        for label in predictions[0]["probabilities"]:
            columns[f"probability_{label}"] = [prediction["probabilities"][label] for prediction in predictions]
    else:
        columns["prediction"] = [prediction["value"] for prediction in predictions]
        for quantile in predictions[0].get("quantiles", ()) if predictions else ():
            columns[f"quantile_{quantile}"] = [prediction["quantiles"][quantile] for prediction in predictions]
    if predicted.truths:
        columns["truth"] = list(predicted.truths)
    return pl.DataFrame(columns, strict=False)


def _frame_of_targets(predicted: PredictedRows, columns: dict[str, list[object]]) -> pl.DataFrame:
    """Return a column for each numeric target; for labels the joined labels and the probability of each."""
    import polars as pl

    signature, predictions, truths = predicted.signature, predicted.predictions, predicted.truths
    if signature.is_multilabel:
        columns["prediction"] = [signature.separator.join(prediction["label"]) for prediction in predictions]
        for label in signature.classes:
            columns[f"probability_{label}"] = [prediction["probabilities"][label] for prediction in predictions]
        if truths:
            columns["truth"] = [None if truth is None else signature.separator.join(truth) for truth in truths]
        return pl.DataFrame(columns, strict=False)
    for name in signature.targets:
        columns[f"prediction_{name}"] = [prediction["value"][name] for prediction in predictions]
    for name in signature.targets if truths else ():
        columns[f"truth_{name}"] = [None if truth is None else truth[name] for truth in truths]
    return pl.DataFrame(columns, strict=False)


def write_predictions(predicted: PredictedRows, path: Path) -> None:
    """Write predictions in the format of the file's suffix."""
    frame = predictions_frame(predicted)
    match path.suffix.lower():
        case ".csv":
            frame.write_csv(path)
        case ".parquet":
            frame.write_parquet(path)
        case _:
            frame.write_ndjson(path)


def print_csv(predicted: PredictedRows) -> None:
    """Print predictions as csv for a pipe."""
    sys.stdout.write(predictions_frame(predicted).write_csv())
