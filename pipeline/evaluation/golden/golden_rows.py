"""Golden rows: held-out rows and edge rows that the served model must predict again as when it was evaluated."""

from __future__ import annotations

import itertools
import json
from typing import Any

import polars as pl

from pipeline.contracts.records.model_version import GoldenPredictions
from pipeline.contracts.records.variant import Precision
from pipeline.contracts.signature import Signature, split_label
from pipeline.evaluation.golden.edge_rows import edge_rows
from pipeline.evaluation.scoring import OnnxModel, Predictions, feeds, pixels

__all__ = ["MAX_GOLDEN_BYTES", "make_golden_predictions"]

_ROWS = 10
MAX_GOLDEN_BYTES = 3_000_000  # of JSON: Lambda's limit is 6 MB, and an event quotes the body once more
_NUMBER_BYTES = 24  # the longest float64, its colon and comma
# Another CPU may round one activation of a quantized file the other way, which moves a probability visibly.
_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-4, "int8": 1e-2, "codebook": 1e-4}


def make_golden_predictions(
    served: OnnxModel, test: pl.DataFrame, signature: Signature, precision: Precision, *, has_edges: bool = True
) -> GoldenPredictions:
    """Return rows and their predictions, made as one batch: a dynamically quantized file scales by the rows of a batch.

    Args:
        served: The served file.
        test: The test rows.
        signature: Signature of the file.
        precision: Precision of the file, on which the tolerance depends.
        has_edges: Whether edge rows are added. A model that a user uploaded may refuse them.
    """
    features = test.select(column.name for column in signature.columns)
    rows = _representative_rows(features)
    if has_edges:
        rows = pl.concat([rows, edge_rows(features, signature)], how="vertical_relaxed")
    chosen = rows.tail(_count_fitting(_raw_rows(rows, signature), signature))  # edge rows are the last to be left out
    return GoldenPredictions(
        rows=tuple(_raw_rows(chosen, signature)),
        predictions=tuple(_predictions(served.run(feeds(chosen, signature)), signature)),
        tolerance=_TOLERANCE[precision],
    )


def _count_fitting(rows: list[dict[str, Any]], signature: Signature) -> int:
    """Return how many of the last rows fit in MAX_GOLDEN_BYTES with their predictions; at least one."""
    max_prediction_bytes = (
        sum(len(json.dumps(label)) + _NUMBER_BYTES for label in signature.classes or signature.targets) or _NUMBER_BYTES
    )
    sizes = itertools.accumulate(max(len(json.dumps(row)), max_prediction_bytes) for row in reversed(rows))
    return max(1, sum(size <= MAX_GOLDEN_BYTES for size in sizes))


def _representative_rows(features: pl.DataFrame) -> pl.DataFrame:
    """Return the first rows; the last of them gives way to one with a missing value when the others have none."""
    head = features.head(_ROWS)
    gaps = features.filter(pl.any_horizontal(pl.all().is_null()))
    if gaps.is_empty() or sum(head.null_count().row(0)):
        return head
    return pl.concat([head.head(_ROWS - 1), gaps.head(1)])


def _raw_rows(features: pl.DataFrame, signature: Signature) -> list[dict[str, Any]]:
    """Return rows as a request has them: missing is null, a boolean is true or false, an image is nested arrays."""
    booleans = [column.name for column in signature.columns if column.kind == "boolean"]
    rows = features.with_columns(pl.col(booleans).cast(pl.Boolean)).to_dicts()
    for column in signature.columns:
        if column.kind == "image":
            for row, image in zip(rows, pixels(features[column.name], column.shape).tolist(), strict=True):
                row[column.name] = image
    return rows


def _predictions(predictions: Predictions, signature: Signature) -> list[dict[str, Any]]:
    """Return predictions as the predict function does."""
    if signature.quantiles:
        names, values = signature.quantile_names, predictions.values.tolist()
        return [
            {"value": value, "quantiles": dict(zip(names, row, strict=True))}
            for value, row in zip(values, predictions.quantiles.tolist(), strict=True)
        ]
    if signature.classes:
        return [
            {
                "label": split_label(label, signature) if signature.is_multilabel else label,
                "probabilities": dict(zip(signature.classes, row, strict=True)),
            }
            for label, row in zip(predictions.labels.tolist(), predictions.probabilities.tolist(), strict=True)
        ]
    if signature.targets:
        return [{"value": dict(zip(signature.targets, row, strict=True))} for row in predictions.values.tolist()]
    return [{"value": value} for value in predictions.values.tolist()]
