"""JSON Schemas of the prediction API's requests and responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts.signature import Column, ColumnKind, Signature
from pipeline.serving.datatypes import BINARY_FORMS

__all__ = ["SCHEMAS", "describe_row", "example_row"]

Schema = dict[str, Any]

_ANY_OBJECT: Schema = {"type": "object"}
_NUMBER: Schema = {"type": ["number", "null"]}
_NAME: Schema = {"type": "string", "minLength": 1}
_DATATYPE: Schema = {"type": "string", "enum": ["BYTES", *BINARY_FORMS]}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "minimum": -1}}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _array(items: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_ROWS = _array(_reference("Row"), minItems=1, maxItems=10_000)
_COLUMNS: Schema = {"type": "object", "additionalProperties": _array({}, minItems=1, maxItems=10_000)}
_TENSOR = _object(
    {"name": _NAME, "shape": _SHAPE, "datatype": _DATATYPE}, {"data": _array({}), "parameters": _ANY_OBJECT}
)

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object({"error": {"type": "string", "minLength": 1}}),
    "Row": {"type": "object", "description": "Cells by column; null is a missing value."},
    "Tensor": _TENSOR,
    "InferRequest": {
        "oneOf": [
            _object({"rows": _ROWS}),
            _object({"columns": _COLUMNS}),
            _object(
                {"inputs": _array(_reference("Tensor"), minItems=1)},
                {
                    "id": {"type": "string"},
                    "outputs": _array(_object({"name": _NAME}, {"parameters": _ANY_OBJECT})),
                    "parameters": _ANY_OBJECT,
                },
            ),
        ]
    },
    "Prediction": {
        "type": "object",
        "properties": {
            "label": {"type": ["string", "array"]},
            "probabilities": {"type": "object", "additionalProperties": _NUMBER},
            "value": {"type": ["number", "object", "null"]},
            "quantiles": {"type": "object", "additionalProperties": _NUMBER},
        },
    },
    "InferResponse": {
        "oneOf": [
            _object(
                {
                    "model": _NAME,
                    "version": {"type": "integer"},
                    "predictions": _array(_reference("Prediction")),
                }
            ),
            _object(
                {"model_name": _NAME, "outputs": _array(_reference("Tensor"))},
                {"model_version": {"type": "string"}, "id": {"type": "string"}},
            ),
        ]
    },
    "ModelMetadata": _object(
        {
            "name": _NAME,
            "versions": _array({"type": "string"}),
            "platform": {"type": "string"},
            "inputs": _array(_object({"name": _NAME, "datatype": _DATATYPE, "shape": _SHAPE})),
            "outputs": _array(_object({"name": _NAME, "datatype": _DATATYPE, "shape": _SHAPE})),
        }
    ),
    "ModelReady": _object({"name": _NAME, "ready": {"type": "boolean"}}),
    "ServerMetadata": _object({"name": _NAME, "version": _NAME, "extensions": _array({"type": "string"})}),
    "ServerLive": _object({"live": {"type": "boolean"}}),
    "ServerReady": _object({"ready": {"type": "boolean"}}),
    "TensorFlowPredictRequest": {
        "oneOf": [
            _object(
                {"instances": _array({}, minItems=1, maxItems=10_000)},
                {"signature_name": {"type": "string", "enum": ["serving_default", "predict"]}},
            ),
            _object(
                {"inputs": {"type": ["object", "array"]}},
                {"signature_name": {"type": "string", "enum": ["serving_default", "predict"]}},
            ),
        ]
    },
    "TensorFlowExamples": _object({"examples": _ROWS}, {"context": _reference("Row")}),
    "TensorFlowPredictions": {"oneOf": [_object({"predictions": _array({})}), _object({"outputs": {}})]},
    "TensorFlowResult": _object({"result": _array({})}),
    "TensorFlowStatus": _object({"model_version_status": _array(_object({"version": _NAME, "state": _NAME}))}),
    "TensorFlowMetadata": _object({"model_spec": _ANY_OBJECT, "metadata": _ANY_OBJECT}),
    "MlflowRequest": {
        "oneOf": [
            _object({"dataframe_split": _object({"data": _array(_array({}))}, {"columns": _array(_NAME)})}),
            _object({"dataframe_records": _ROWS}),
            _object({"instances": _array({}, minItems=1)}),
            _object({"inputs": {"type": ["object", "array"]}}),
        ]
    },
    "MlflowPredictions": _object({"predictions": _array({})}),
    "OpenApi": _object({"openapi": {"type": "string"}, "info": _ANY_OBJECT, "paths": _ANY_OBJECT}),
}
_CELLS: Mapping[ColumnKind, tuple[Schema, Any]] = {  # kind of column -> schema and example of a cell
    "numeric": ({"type": ["number", "string", "null"]}, 1.5),
    "categorical": ({"type": ["string", "number", "boolean", "null"]}, "a"),
    "boolean": ({"type": ["boolean", "number", "string", "null"]}, True),
    "text": ({"type": ["string", "number", "boolean", "null"]}, "some words"),
    "datetime": ({"type": ["string", "number", "null"]}, "2024-01-31T10:30:00Z"),
    "image": ({"type": ["array", "object"]}, {"b64": ""}),
}


def describe_row(signature: Signature) -> Schema:
    """Return the schema of a model's rows."""
    required = [column.name for column in signature.columns if not column.is_optional]
    properties = {column.name: _describe_cell(column) for column in signature.columns}
    return {"type": "object", "required": required, "properties": properties, "example": example_row(signature)}


def example_row(signature: Signature) -> dict[str, Any]:
    """Return a row that a model accepts; its values are invented, not from the training file."""
    return {column.name: _CELLS[column.kind][1] for column in signature.columns if column.kind != "image"}


def _describe_cell(column: Column) -> Schema:
    return {**_CELLS[column.kind][0], "description": f"{column.kind} ({column.datatype})"}
