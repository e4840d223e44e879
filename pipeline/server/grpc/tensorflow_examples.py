"""Convert TensorFlow's examples to rows, predictions to results of TensorFlow Serving, and write a SignatureDef.

References:
    https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis (input.proto, classification.proto,
    regression.proto, get_model_metadata.proto)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.server.grpc.messages import message_class

__all__ = ["read_examples", "write_classes", "write_signature", "write_values"]

_SERVING = "tensorflow.serving"
_SIGNATURE_FIELD = "signature_def"


def read_examples(request: Any) -> list[dict[str, Any]]:
    """Return the rows of a request's input: feature -> value, or a list if the feature has several values.

    A feature without a value becomes None. Bytes become text: decoded as UTF-8, or if that fails (as for images)
    encoded as base64.

    Raises:
        InvalidRequestError: There is no list of examples.
    """
    kind = request.input.WhichOneof("kind")
    if kind is None:
        raise InvalidRequestError("input: example_list is expected")
    listed = getattr(request.input, kind)
    context = _read_features(listed.context) if kind == "example_list_with_context" else {}
    return [context | _read_features(example) for example in listed.examples]


def write_classes(response: Any, classes: Sequence[str], probabilities: Iterable[Sequence[float]]) -> None:
    """Add the classes with their probabilities for each row to a ClassificationResponse."""
    for row in probabilities:
        classification = response.result.classifications.add()
        for label, score in zip(classes, row, strict=True):
            classification.classes.add(label=label, score=score)


def write_values(response: Any, values: Iterable[float]) -> None:
    """Add a value for each row to a RegressionResponse."""
    for value in values:
        response.result.regressions.add(value=value)


def write_signature(response: Any, definition: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Add a SignatureDef to a GetModelMetadataResponse.

    Args:
        response: The response.
        definition: The signature as the REST API describes it.
        fields: The request's ``metadata_field``.

    Raises:
        InvalidRequestError: The request asks for another field.
    """
    if list(fields) != [_SIGNATURE_FIELD]:
        raise InvalidRequestError(f"metadata_field: '{_SIGNATURE_FIELD}' is expected")
    signatures = message_class(f"{_SERVING}.SignatureDefMap")()
    written = signatures.signature_def["serving_default"]
    written.method_name = definition["method_name"]
    for side in ("inputs", "outputs"):
        for name, tensor in definition[side].items():
            info = getattr(written, side)[name]
            info.name = tensor["name"]
            info.dtype = info.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_name[tensor["dtype"]].number
            for axis in tensor["tensor_shape"]["dim"]:
                info.tensor_shape.dim.add(size=int(axis["size"]))
    response.metadata[_SIGNATURE_FIELD].Pack(signatures)


def _read_features(example: Any) -> dict[str, Any]:
    return {name: _read_feature(feature) for name, feature in example.features.feature.items()}


def _read_feature(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = [] if kind is None else list(getattr(feature, kind).value)
    if kind == "bytes_list":
        values = [_read_text(value) for value in values]
    return (None if not values else values[0]) if len(values) < 2 else values


def _read_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
