"""TensorFlow Serving's REST API: predict, classify, regress, status and metadata.

References:
    https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.api.json_bodies import parse_json
from pipeline.serving.api.messages import JSON, HttpRequest, HttpResponse
from pipeline.serving.api.protocols.query import ignores_extra
from pipeline.serving.api.protocols.tensor_json import decode_inputs, decode_instances
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.responses import to_json

__all__ = [
    "classes_of",
    "classify",
    "describe_signature",
    "describe_status",
    "predict",
    "regress",
    "require_value",
]

_SIGNATURES = ("serving_default", "predict")  # the default name, and a name in many tutorials
_DTYPES = {
    "FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "BYTES": "DT_STRING", "BOOL": "DT_BOOL", "UINT8": "DT_UINT8",
}  # fmt: skip


def predict(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Predict on ``instances`` (rows) or ``inputs`` (columns); a matrix is accepted if all columns are numeric.

    Returns:
        ``{"predictions": [...]}`` for instances, ``{"outputs": ...}`` for inputs. They contain the values of a single
        output, or an object by output for several outputs.

    Raises:
        InvalidRequestError: The request does not match the protocol or the model's signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    document = _parse(request)
    _check_signature(document)
    if ("instances" in document) == ("inputs" in document):
        raise InvalidRequestError('a predict request needs either "instances" or "inputs"')
    by_row = "instances" in document
    decode, field = (decode_instances, "instances") if by_row else (decode_inputs, "inputs")
    outputs = model.run(decode(document[field], model.decoder, field=field, ignore_extra=ignores_extra(request)))
    named = dict(zip(model.outputs, map(_to_list, outputs), strict=True))
    columns: Any = named if len(named) > 1 else next(iter(named.values()))
    body: dict[str, Any]
    if not by_row:
        body = {"outputs": columns}
    elif len(named) > 1:
        body = {"predictions": [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]}
    else:
        body = {"predictions": columns}
    return _respond(model, body, len(outputs[0]))


def classify(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Classify ``examples``.

    Returns:
        ``{"result": [[[label, probability], ...], ...]}``, the labels in the order of the model's classes.

    Raises:
        InvalidRequestError: The model has no classes, or the request does not match the protocol or the signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    classes = classes_of(model)
    _, probabilities = _run_examples(model, request)
    result = [[[label, score] for label, score in zip(classes, row, strict=True)] for row in probabilities.tolist()]
    return _respond(model, {"result": result}, len(result))


def regress(model: LoadedModel, request: HttpRequest) -> HttpResponse:
    """Predict one value for each of ``examples``.

    Returns:
        ``{"result": [value, ...]}``.

    Raises:
        InvalidRequestError: The model does not predict one value, or the request does not match the protocol or the
            signature.
        TooManyRowsError: There are more rows than a response can have.
    """
    require_value(model)
    values = _run_examples(model, request)[0]
    return _respond(model, {"result": values}, len(values))


def classes_of(model: LoadedModel) -> Sequence[str]:
    """Return the classes of a model.

    Raises:
        InvalidRequestError: The model has no classes.
    """
    if not model.signature.classes:
        raise InvalidRequestError(
            f"'{model.model}' is a {model.signature.task} model: :predict or :regress is expected"
        )
    return model.signature.classes


def require_value(model: LoadedModel) -> None:
    """Check that a model predicts one value.

    Raises:
        InvalidRequestError: The model predicts classes or several values.
    """
    if model.signature.task != "regression" or model.signature.targets:
        raise InvalidRequestError(f"'{model.model}' does not predict one value: :predict or :classify is expected")


def describe_status(model: LoadedModel) -> dict[str, Any]:
    """Return the status of a version; a loaded version is always AVAILABLE."""
    status = {"error_code": "OK", "error_message": ""}
    return {"model_version_status": [{"version": str(model.version), "state": "AVAILABLE", "status": status}]}


def describe_signature(model: LoadedModel) -> dict[str, Any]:
    """Return the metadata of a version: its inputs and outputs as a SignatureDef."""
    signature = model.signature
    inputs = {column.name: _describe_tensor(column.name, column.datatype, column.shape) for column in signature.columns}
    widths = {"probabilities": (len(signature.classes),), "quantiles": (len(signature.quantiles),)}
    outputs = {}
    for name in model.outputs:
        kind = name.rstrip("_")
        shape = (len(signature.targets),) if kind == "value" and signature.targets else widths.get(kind, ())
        outputs[name] = _describe_tensor(name, "BYTES" if kind == "label" else "FP32", shape)
    definition = {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
    return {
        "model_spec": {"name": model.model, "signature_name": "", "version": str(model.version)},
        "metadata": {"signature_def": {"signature_def": {"serving_default": definition}}},
    }


def _parse(request: HttpRequest) -> dict[str, Any]:
    if not request.body:
        raise InvalidRequestError("the body is empty: a JSON object is expected")
    document = parse_json(request.body)
    if type(document) is not dict:
        raise InvalidRequestError(f"a JSON object is expected, not {json_type(document)}")
    return document


def _check_signature(document: Mapping[str, Any]) -> None:
    name = document.get("signature_name") or _SIGNATURES[0]
    if name not in _SIGNATURES:
        raise InvalidRequestError(f"signature_name: one of {', '.join(_SIGNATURES)} is expected")


def _run_examples(model: LoadedModel, request: HttpRequest) -> list[NDArray[Any]]:
    document = _parse(request)
    examples = document.get("examples")
    context = document.get("context", {})
    if type(examples) is not list or not all(type(example) is dict for example in examples):
        raise InvalidRequestError("examples: an array of objects with one feature per column is expected")
    if type(context) is not dict:
        raise InvalidRequestError(f"context: an object is expected, not {json_type(context)}")
    rows = [{name: _unwrap(value) for name, value in (context | example).items()} for example in examples]
    return model.run(decode_rows(rows, model.decoder, field="examples", ignore_extra=ignores_extra(request)))


def _unwrap(value: Any) -> Any:
    """Return the value of a feature, which may be an array of one value."""
    return value[0] if type(value) is list and len(value) == 1 and type(value[0]) is not list else value


def _to_list(array: NDArray[Any]) -> Sequence[Any]:
    """Return the rows of an output; numbers stay float32, which has shorter JSON than float64."""
    return array.tolist() if array.dtype == object else list(np.ascontiguousarray(array))


def _describe_tensor(name: str, datatype: str, shape: Sequence[int]) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {"dtype": _DTYPES[datatype], "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": name}


def _respond(model: LoadedModel, body: dict[str, Any], rows: int) -> HttpResponse:
    return HttpResponse(200, to_json(body), JSON, model.facts(rows))
