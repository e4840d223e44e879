"""Render predictions of several targets for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pipeline.cli.prediction.predict import PredictedRows
    from pipeline.contracts.signature import Signature

__all__ = ["last_lines", "score_of_targets", "values_table"]


def values_table(predicted: PredictedRows, *, shown: int) -> RenderableType:
    """Return a table of the first ``shown`` predictions, a column for each target, with the truth if it is known."""
    scored = bool(predicted.truths)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("row", justify="right")
    for name in predicted.signature.targets:
        table.add_column(Text(f"{name} (predicted)"), justify="right")
        if scored:
            table.add_column("truth", justify="right")
    for index, prediction in enumerate(predicted.predictions[:shown]):
        truth = predicted.truths[index] if scored else None
        cells = [str(index + 1)]
        for name in predicted.signature.targets:
            cells.append(f"{prediction['value'][name]:g}")
            cells += [f"{truth[name]:g}" if truth else ""] if scored else []
        table.add_row(*cells)
    pairs = [pair for pair in zip(predicted.predictions, predicted.truths, strict=False) if pair[1] is not None]
    return Group(
        table, *last_lines(predicted, shown), *([score_of_targets(predicted.signature, pairs)] if pairs else [])
    )


def last_lines(predicted: PredictedRows, shown: int) -> list[Text]:
    """Return how many predictions are not shown, and which version made them."""
    remaining = len(predicted.predictions) - shown
    hidden = [Text(f"... and {remaining} more (--json prints all)", style="dim")] if remaining > 0 else []
    return [*hidden, Text(f"{predicted.model} version {predicted.version}", style="dim")]


def score_of_targets(signature: Signature, pairs: Sequence[tuple[dict[str, Any], Any]]) -> Text:
    """Return the RMSE of each target; for labels the subset accuracy, and F1 over all labels."""
    count = len(pairs)
    if not signature.is_multilabel:
        errors = {
            name: math.sqrt(sum((predicted["value"][name] - truth[name]) ** 2 for predicted, truth in pairs) / count)
            for name in signature.targets
        }
        listed = ", ".join(f"{name} {error:.6g}" for name, error in errors.items())
        return Text(f"rmse {listed} on {count} rows", style="bold")
    right = sum(predicted["label"] == truth for predicted, truth in pairs)
    hits = sum(len({*predicted["label"]} & {*truth}) for predicted, truth in pairs)
    all_labels = sum(len(predicted["label"]) + len(truth) for predicted, truth in pairs)
    f1 = 2 * hits / all_labels if all_labels else 0.0
    return Text(
        f"accuracy {right / count:.4f} ({right} of {count} rows have all labels right), F1 (micro) {f1:.4f}",
        style="bold",
    )
