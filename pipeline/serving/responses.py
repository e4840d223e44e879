"""Encode predictions as JSON. Numbers stay float32, whose JSON is shortest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from numpy.typing import NDArray

from pipeline.contracts.signature import Signature, split_label

__all__ = [
    "Prediction",
    "format_predictions",
    "format_target_predictions",
    "max_response_rows",
    "to_json",
]

Prediction = dict[str, Any]

_MAX_ROWS = 10_000
_MAX_RESPONSE_BYTES = 5_000_000  # Lambda's responses have at most 6 MB
_MAX_NUMBER_BYTES = 16  # longest float32 with its colon and comma


def max_response_rows(signature: Signature) -> int:
    """Return how many rows a request may have, so that any response fits into Lambda's limit."""
    labels = [len(orjson.dumps(name)) for name in signature.classes]
    a_row = 64 + max(labels, default=0) + sum(label + _MAX_NUMBER_BYTES for label in labels)
    a_row += sum(len(name) + 2 + _MAX_NUMBER_BYTES for name in signature.quantile_names)
    if signature.targets:  # multilabel: the predicted labels, too
        a_row += sum(labels) or sum(len(orjson.dumps(name)) + _MAX_NUMBER_BYTES for name in signature.targets)
    return max(1, min(_MAX_ROWS, _MAX_RESPONSE_BYTES // a_row))


def format_target_predictions(outputs: Sequence[NDArray[Any]], signature: Signature) -> list[Prediction]:
    """Return one prediction per row of several targets.

    Each is ``{"value"}`` with values by target, or ``{"label", "probabilities"}`` with a list of labels.
    """
    if not signature.is_multilabel:
        names = signature.targets
        return [{"value": dict(zip(names, row))} for row in outputs[0]]  # noqa: B905 - as below
    labels, probabilities = outputs
    classes = signature.classes
    return [
        {"label": split_label(label, signature), "probabilities": dict(zip(classes, row))}  # noqa: B905 - as below
        for label, row in zip(labels.tolist(), probabilities)  # noqa: B905 - the same
    ]


def format_predictions(
    outputs: Sequence[NDArray[Any]], classes: Sequence[str], quantiles: Sequence[str] = ()
) -> list[Prediction]:
    """Return one prediction per row.

    Each is ``{"label", "probabilities"}``, or ``{"value"}`` without classes, with ``{"quantiles"}`` by name if there
    are any.
    """
    if quantiles:
        values, rows = outputs
        return [
            {"value": value, "quantiles": dict(zip(quantiles, row))}  # noqa: B905 - as below
            for value, row in zip(values, rows)  # noqa: B905 - the same
        ]
    if not classes:
        return [{"value": value} for value in outputs[0]]
    labels, probabilities = outputs
    return [
        {"label": label, "probabilities": dict(zip(classes, row))}  # noqa: B905 - strict would double the time
        for label, row in zip(labels.tolist(), probabilities)  # noqa: B905 - the same
    ]


def to_json(document: dict[str, Any]) -> bytes:
    """Serialize to JSON; NaN becomes null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
