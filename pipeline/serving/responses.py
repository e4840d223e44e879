"""What a model said, as its callers read it. Numbers stay float32: that is how their JSON is shortest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature, split_label

__all__ = ["chosen_outputs", "most_rows", "predictions", "predictions_of_targets", "tensors", "to_json"]

_ROWS = 10_000
_BYTES = 5_000_000  # Lambda answers with 6 MB at most
_NUMBER_BYTES = 16  # the longest float32, its colon and comma


def most_rows(signature: Signature) -> int:
    """How many rows one request may have: so many that their answer fits into Lambda's, whatever it is."""
    labels = [len(orjson.dumps(name)) for name in signature.classes]
    a_row = 64 + max(labels, default=0) + sum(label + _NUMBER_BYTES for label in labels)
    a_row += sum(len(name) + 2 + _NUMBER_BYTES for name in signature.quantile_names)
    if signature.targets:  # of labels also the answered ones
        a_row += sum(labels) or sum(len(orjson.dumps(name)) + _NUMBER_BYTES for name in signature.targets)
    return max(1, min(_ROWS, _BYTES // a_row))


def predictions_of_targets(outputs: Sequence[NDArray[Any]], signature: Signature) -> list[dict[str, Any]]:
    """One a row, of several targets: ``{"value"}`` by name; ``{"label", "probabilities"}``, the label a list."""
    if not signature.is_multilabel:
        names = signature.targets
        return [{"value": dict(zip(names, row))} for row in outputs[0]]  # noqa: B905 - as below
    labels, probabilities = outputs
    classes = signature.classes
    return [
        {"label": split_label(label, signature), "probabilities": dict(zip(classes, row))}  # noqa: B905 - as below
        for label, row in zip(labels.tolist(), probabilities)  # noqa: B905 - the same
    ]


def predictions(
    outputs: Sequence[NDArray[Any]], classes: Sequence[str], quantiles: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One a row: ``{"label", "probabilities"}``; ``{"value"}`` without classes, also ``{"quantiles"}`` by name."""
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


def chosen_outputs(requested: Any, names: Sequence[str]) -> Sequence[str]:
    """The names of an OIP request's ``outputs``, all of ``names`` by default.

    Raises InvalidRequestError for what is no array of ``{"name"}``, and for a name that is not among ``names``.
    """
    if requested is None:
        return names
    if type(requested) is not list or not all(type(output) is dict for output in requested):
        raise InvalidRequestError('outputs: an array of objects such as {"name": ...} is expected')
    chosen = [output.get("name") for output in requested]
    for number, name in enumerate(chosen):
        if name not in names:
            raise InvalidRequestError(
                f"outputs[{number}]: its name is not one of {', '.join(names)}, which are expected"
            )
    return chosen or names


def tensors(named: dict[str, NDArray[Any]], chosen: Sequence[str]) -> list[dict[str, Any]]:
    """OIP's output tensors, their data flat row-major."""
    return [_tensor(name, named[name]) for name in chosen]


def _tensor(name: str, array: NDArray[Any]) -> dict[str, Any]:
    texts = array.dtype == object
    data = array.tolist() if texts else array.ravel()
    return {"name": name, "datatype": "BYTES" if texts else "FP32", "shape": list(array.shape), "data": data}


def to_json(document: dict[str, Any]) -> str:
    """NaN is null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY).decode()
