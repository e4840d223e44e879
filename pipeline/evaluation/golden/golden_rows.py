"""Golden rows: held-out rows and edge rows for which a served model must reproduce its predictions at evaluation."""

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
MAX_GOLDEN_BYTES = 3_000_000  # maximum JSON size: Lambda's limit is 6 MB, and in an event the body is escaped again
_NUMBER_BYTES = 24  # bytes of the longest float64 in JSON, with colon and comma
# Another CPU may round an activation of a quantized file differently, which changes a probability visibly.
_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-4, "int8": 1e-2, "codebook": 1e-4}


def make_golden_predictions(
    served: OnnxModel, test: pl.DataFrame, signature: Signature, precision: Precision, *, has_edges: bool = True
) -> GoldenPredictions:
    """Return golden rows and predictions of one batch, since dynamic quantization depends on the rows of a batch.

    Args:
        served: The served file.
        test: The test rows.
        signature: Signature of the file.
        precision: Precision of the file, on which the tolerance depends.
        has_edges: Whether edge rows are added; a model that a user uploaded may reject them.
    """
    features = test.select(column.name for column in signature.columns)
    rows = _representative_rows(features)
    if has_edges:
        rows = pl.concat([rows, edge_rows(features, signature)], how="vertical_relaxed")
    chosen = rows.tail(_count_fitting(_raw_rows(rows, signature), signature))  # edge rows have priority
    return GoldenPredictions(
        rows=tuple(_raw_rows(chosen, signature)),
        predictions=tuple(_predictions(served.run(feeds(chosen, signature)), signature)),
        tolerance=_TOLERANCE[precision],
    )


def _count_fitting(rows: list[dict[str, Any]], signature: Signature) -> int:
    """Return how many rows, counted from the last, and their predictions fit in MAX_GOLDEN_BYTES; at least one."""
    max_prediction_bytes = (
        sum(len(json.dumps(label)) + _NUMBER_BYTES for label in signature.classes or signature.targets) or _NUMBER_BYTES
    )
    sizes = itertools.accumulate(max(len(json.dumps(row)), max_prediction_bytes) for row in reversed(rows))
    return max(1, sum(size <= MAX_GOLDEN_BYTES for size in sizes))


def _representative_rows(features: pl.DataFrame) -> pl.DataFrame:
    """Return the first rows; if none of them has a missing value, the last one is replaced by a row with one."""
    head = features.head(_ROWS)
    gaps = features.filter(pl.any_horizontal(pl.all().is_null()))
    if gaps.is_empty() or sum(head.null_count().row(0)):
        return head
    return pl.concat([head.head(_ROWS - 1), gaps.head(1)])


def _raw_rows(features: pl.DataFrame, signature: Signature) -> list[dict[str, Any]]:
    """Return rows as in a JSON request: null for missing values, true or false for booleans, nested lists of pixels."""
    booleans = [column.name for column in signature.columns if column.kind == "boolean"]
    rows = features.with_columns(pl.col(booleans).cast(pl.Boolean)).to_dicts()
    for column in signature.columns:
        if column.kind == "image":
            for row, image in zip(rows, pixels(features[column.name], column.shape).tolist(), strict=True):
                row[column.name] = image
    return rows


def _predictions(predictions: Predictions, signature: Signature) -> list[dict[str, Any]]:
    """Return predictions in the form of the predict function's response."""
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
