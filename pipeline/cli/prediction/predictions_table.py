"""Render predictions for people, beside the truth if it is known."""

from __future__ import annotations

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.cli.prediction.predict import PredictedRows
from pipeline.cli.prediction.target_values import last_lines, score_of_targets, values_table

__all__ = ["is_correct", "prediction_text", "predictions_table", "score_text"]

_SHOWN = 20


def predictions_table(predicted: PredictedRows, *, shown: int = _SHOWN) -> RenderableType:
    """Return a table of the first ``shown`` predictions, and the score of all."""
    if predicted.signature.targets and not predicted.signature.is_multilabel:
        return values_table(predicted, shown=shown)
    scored = bool(predicted.truths)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    target = predicted.signature.target or "cluster"
    for header in ("row", f"{target} (predicted)", *(["truth", ""] if scored else [])):
        table.add_column(Text(header), justify="right" if header == "row" else "left")
    for index, prediction in enumerate(predicted.predictions[:shown]):
        truth = predicted.truths[index] if scored else None
        table.add_row(str(index + 1), prediction_text(prediction), *(_truth_cells(prediction, truth) if scored else ()))
    return Group(
        table,
        *last_lines(predicted, shown),
        *([score_text(predicted)] if scored else []),
    )


def prediction_text(prediction: dict[str, Any]) -> Text:
    """Format a prediction: ``setosa 98.1 %``, or the value, and its lowest and highest quantile."""
    if "quantiles" in prediction:
        ends = list(prediction["quantiles"].items())
        (low, lowest), (high, highest) = ends[0], ends[-1]
        return Text.assemble(f"{prediction['value']:g}", (f"  {low}: {lowest:g}, {high}: {highest:g}", "dim"))
    if "label" not in prediction:
        return Text(f"{prediction['value']:g}")
    if isinstance(prediction["label"], list):
        return _labels_text(prediction)
    probability = prediction["probabilities"].get(prediction["label"], math.nan)
    return Text.assemble(str(prediction["label"]), (f"  {probability:.1%}", "dim"))


def _labels_text(prediction: dict[str, Any]) -> Text:
    """Format labels: ``red 98 %, tiny 61 %``; a row without labels has the likeliest one in parentheses."""
    probabilities = prediction["probabilities"]
    if not prediction["label"]:
        likeliest = max(probabilities, key=lambda label: probabilities[label])
        return Text(f"none ({likeliest} {probabilities[likeliest]:.0%})", style="dim")
    pieces: list[str | tuple[str, str]] = []
    for label in prediction["label"]:
        pieces += [", " if pieces else "", label, (f" {probabilities[label]:.0%}", "dim")]
    return Text.assemble(*pieces)


def score_text(predicted: PredictedRows) -> Text:
    """Return the accuracy over rows with known truth; for a regression the RMSE."""
    pairs = [pair for pair in zip(predicted.predictions, predicted.truths, strict=True) if pair[1] is not None]
    count = len(pairs)
    if predicted.signature.targets:
        return score_of_targets(predicted.signature, pairs)
    if predicted.signature.task == "classification":
        correct = sum(is_correct(prediction, truth) for prediction, truth in pairs)
        return Text(f"accuracy {correct / count:.4f} ({correct} of {count} rows)", style="bold")
    squares = sum((prediction["value"] - truth) ** 2 for prediction, truth in pairs)
    return Text(f"rmse {math.sqrt(squares / count):.6g} on {count} rows", style="bold")


def is_correct(prediction: dict[str, Any], truth: Any) -> bool:
    """Return whether a prediction is right; labels are compared as text, lists of labels in the model's order."""
    if isinstance(truth, list):
        return bool(prediction["label"] == truth)
    text = str(truth).lower() if isinstance(truth, bool) else str(truth).strip()
    return bool(prediction["label"] == text)


def _truth_cells(prediction: dict[str, Any], truth: Any) -> tuple[Text, ...]:
    if truth is None:
        return Text(""), Text("")
    if "label" not in prediction:
        return Text(f"{truth:g}"), Text("")
    correct = is_correct(prediction, truth)
    return Text(", ".join(truth) if isinstance(truth, list) else str(truth)), Text(
        "✓", style="green"
    ) if correct else Text("✗", style="red")
