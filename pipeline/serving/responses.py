"""Encode predictions as JSON. Numbers stay float32, which has shorter JSON than float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.contracts.signature import Signature, split_label

__all__ = ["Prediction", "PredictionWriter", "format_predictions", "max_response_rows", "to_json"]

Prediction = dict[str, Any]

_MAX_ROWS = 10_000
_MAX_RESPONSE_BYTES = 5_000_000  # Lambda's responses have at most 6 MB
_MAX_NUMBER_BYTES = 16  # longest float32 with its colon and comma


def max_response_rows(signature: Signature) -> int:
    """Return the maximum number of rows of a request for which every response fits into Lambda's limit."""
    labels = [len(orjson.dumps(name)) for name in signature.classes]
    row_bytes = 64 + max(labels, default=0) + sum(label + _MAX_NUMBER_BYTES for label in labels)
    row_bytes += sum(len(name) + 2 + _MAX_NUMBER_BYTES for name in signature.quantile_names)
    if signature.targets:  # multi-label responses also list the predicted labels
        row_bytes += sum(labels) or sum(len(orjson.dumps(name)) + _MAX_NUMBER_BYTES for name in signature.targets)
    return max(1, min(_MAX_ROWS, _MAX_RESPONSE_BYTES // row_bytes))


def format_predictions(outputs: Sequence[NDArray[Any]], signature: Signature) -> list[Prediction]:
    """Return one prediction per row.

    Classification: ``{"label", "probabilities"}``; ``label`` is a list for multi-label classification. Regression:
    ``{"value"}``, with ``quantiles`` by name if there are any; ``value`` is an object by target for several targets.
    """
    first, *remaining = outputs
    if signature.classes:
        classes, labels = signature.classes, first.tolist()
        if signature.is_multilabel:
            labels = [split_label(label, signature) for label in labels]
        return [
            {"label": label, "probabilities": dict(zip(classes, row))}  # noqa: B905 - strict would double the time
            for label, row in zip(labels, remaining[0])  # noqa: B905 - the same
        ]
    if signature.targets:
        return [{"value": dict(zip(signature.targets, row))} for row in first]  # noqa: B905 - the same
    if signature.quantiles:
        names = signature.quantile_names
        return [
            {"value": value, "quantiles": dict(zip(names, row))}  # noqa: B905 - the same
            for value, row in zip(first, remaining[0])  # noqa: B905 - the same
        ]
    return [{"value": value} for value in first]


class PredictionWriter:
    """Writes the same JSON as ``to_json`` for the predictions of one model, but faster, from a template of a row.

    Args:
        signature: Columns and outputs of the model.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._labels = {label: orjson.dumps(label) for label in signature.classes}
        self._width = len(signature.classes) or len(signature.quantile_names) or len(signature.targets) or 1
        if signature.classes:
            self._row = b'{"label":%%b,"probabilities":{%b}}' % _template(signature.classes)
        elif signature.quantile_names:
            self._row = b'{"value":%%b,"quantiles":{%b}}' % _template(signature.quantile_names)
        elif signature.targets:
            self._row = b'{"value":{%b}}' % _template(signature.targets)
        else:
            self._row = b'{"value":%b}'

    def __call__(self, outputs: Sequence[NDArray[Any]]) -> bytes:
        """Return the predictions, one per row, separated by commas."""
        *first, table = outputs
        width = self._width
        numbers = _write_numbers(table)
        columns = [numbers[column::width] for column in range(width)]
        if first and self._signature.classes:
            columns.insert(0, self._write_labels(first[0].tolist()))
        elif first:
            columns.insert(0, _write_numbers(first[0]))
        row = self._row
        return b",".join([row % cells for cells in zip(*columns)])  # noqa: B905 - strict would double the time

    def _write_labels(self, labels: Sequence[str]) -> list[bytes]:
        if self._signature.is_multilabel:
            return [orjson.dumps(split_label(label, self._signature)) for label in labels]
        return [self._labels.get(label) or orjson.dumps(label) for label in labels]


def _template(names: Sequence[str]) -> bytes:
    """Return the template of a JSON object's members: each name with a placeholder for its number."""
    return b",".join(orjson.dumps(name).replace(b"%", b"%%") + b":%b" for name in names)


def _write_numbers(array: NDArray[Any]) -> list[bytes]:
    text = orjson.dumps(np.ascontiguousarray(array).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")


def to_json(document: Any) -> bytes:
    """Serialize to JSON; NaN becomes null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
