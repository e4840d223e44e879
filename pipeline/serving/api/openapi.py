"""Describe the prediction API as an OpenAPI 3.1 document, from its routes, its error table and a model's signature.

References:
    https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pipeline import __version__
from pipeline.contracts.signature import Signature
from pipeline.serving.api.errors import REQUEST_STATUSES
from pipeline.serving.api.openapi_schemas import SCHEMAS, describe_row, example_row
from pipeline.serving.api.routes import PATTERNS, ROUTES, Action

__all__ = ["openapi_document"]

Document = dict[str, Any]


class _Operation(NamedTuple):
    """Documentation of an action.

    Attributes:
        tag: Protocol that the action belongs to.
        summary: One sentence.
        response: Name of the response's schema.
        request: Name of the schema of a JSON body; empty if the action has no body.
        files: Content types of bodies that are not JSON.
        tables: Whether the response may be CSV.
    """

    tag: str
    summary: str
    response: str
    request: str = ""
    files: tuple[str, ...] = ()
    tables: bool = False


_FILES = ("text/csv", "text/tab-separated-values", "application/vnd.apache.parquet")
_OPERATIONS: Mapping[Action, _Operation] = {
    "infer": _Operation(
        "Open Inference Protocol",
        "Predict on tensors or on rows.",
        "InferResponse",
        "InferRequest",
        (*_FILES, "image/png", "image/jpeg", "text/plain"),
        tables=True,
    ),
    "metadata": _Operation("Open Inference Protocol", "Describe a model's inputs and outputs.", "ModelMetadata"),
    "model_ready": _Operation("Open Inference Protocol", "Tell whether a model is ready.", "ModelReady"),
    "server": _Operation("Open Inference Protocol", "Describe the server.", "ServerMetadata"),
    "live": _Operation("Open Inference Protocol", "Tell whether the server is live.", "ServerLive"),
    "ready": _Operation("Open Inference Protocol", "Tell whether the server is ready.", "ServerReady"),
    "tf_predict": _Operation(
        "TensorFlow Serving", "Predict on instances or on inputs.", "TensorFlowPredictions", "TensorFlowPredictRequest"
    ),
    "tf_classify": _Operation(
        "TensorFlow Serving", "Return the probability of each class.", "TensorFlowResult", "TensorFlowExamples"
    ),
    "tf_regress": _Operation(
        "TensorFlow Serving", "Return one value per example.", "TensorFlowResult", "TensorFlowExamples"
    ),
    "tf_status": _Operation("TensorFlow Serving", "Tell which version is available.", "TensorFlowStatus"),
    "tf_metadata": _Operation("TensorFlow Serving", "Describe the signature of a model.", "TensorFlowMetadata"),
    "invocations": _Operation(
        "MLflow", "Predict on a data frame.", "MlflowPredictions", "MlflowRequest", _FILES, tables=True
    ),
    "openapi": _Operation("Documentation", "Return this document.", "OpenApi"),
    "model_openapi": _Operation("Documentation", "Return this document with a model's rows.", "OpenApi"),
}  # fmt: skip
_PATH_WORDS = {
    "model": "Name of the model, or `name@alias`.",
    "version": "Number of the version.",
    "label": "Alias, such as `live` or `canary`.",
}


def openapi_document(
    model: str = "",
    signature: Signature | None = None,
    *,
    owner: str = "",
    without_key: Collection[Action] = (),
) -> Document:
    """Return the OpenAPI document.

    Args:
        model: Model whose rows the document describes; empty for any model.
        signature: Signature of the model; None for a document that describes any model.
        owner: Tenant that shares the model, whose name precedes the model's in paths; empty for the caller's own model.
        without_key: Actions that need no API key.
    """
    paths: dict[str, Document] = {}
    for action, method, template in ROUTES:
        path = template.replace("/{model}", f"/{owner}/{{model}}") if owner else template
        operation = _describe(action, template, model, signature) | ({"security": []} if action in without_key else {})
        paths.setdefault(path, {})[method.lower()] = operation
    schemas = dict(SCHEMAS)
    if signature is not None:
        schemas["Row"] = describe_row(signature)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": f"modeldrop: {owner}/{model}".replace(" /", " ") if model else "modeldrop",
            "version": __version__,
            "description": "Predictions by the Open Inference Protocol, by TensorFlow Serving's or MLflow's REST.",
        },
        "servers": [{"url": "."}],
        "security": [{"apiKey": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _describe(action: Action, template: str, model: str, signature: Signature | None) -> Document:
    operation = _OPERATIONS[action]
    names = [name for name in PATTERNS if f"{{{name}}}" in template]
    responses: Document = {"200": _content("The response.", operation.response)}
    if operation.tables:
        responses["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    if action == "infer":
        responses["200"]["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    document: Document = {
        "operationId": "_".join([action, *names[1:]]),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [_path_parameter(name, model) for name in names],
        "responses": responses
        | {str(status): _content(reason, "Error") for status, reason in REQUEST_STATUSES.items()},
    }
    if operation.request:
        document["parameters"].append(_EXTRA)
        document["requestBody"] = _request_body(action, operation, signature)
    return document


def _request_body(action: Action, operation: _Operation, signature: Signature | None) -> Document:
    content: Document = {"application/json": {"schema": {"$ref": f"#/components/schemas/{operation.request}"}}}
    if signature is not None:
        row = example_row(signature)
        examples: dict[Action, Document] = {
            "infer": {"rows": [row]},
            "tf_predict": {"instances": [row]},
            "tf_classify": {"examples": [row]},
            "tf_regress": {"examples": [row]},
            "invocations": {"dataframe_records": [row]},
        }
        content["application/json"]["examples"] = {"row": {"summary": "One row", "value": examples[action]}}
    for media_type in operation.files:
        content[media_type] = {"schema": {"type": "string", "contentMediaType": media_type}}
    return {"required": True, "content": content}


def _path_parameter(name: str, model: str) -> Document:
    schema: Document = {"type": "string", "pattern": f"^{PATTERNS[name]}$"}
    parameter: Document = {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_WORDS[name],
        "schema": schema,
    }
    return parameter | ({"example": model} if name == "model" and model else {})


def _content(description: str, schema: str) -> Document:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


_EXTRA: Document = {
    "name": "extra",
    "in": "query",
    "description": "Whether columns that the model does not read are refused or ignored.",
    "schema": {"type": "string", "enum": ["refuse", "ignore"], "default": "refuse"},
}
