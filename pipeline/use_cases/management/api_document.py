"""The OpenAPI document of the API: predictions and the registry's routes, with schemas generated from Python types.

References:
    https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from pipeline.contracts.paging.page import MAX_LISTED
from pipeline.serving.api.errors import REQUEST_STATUSES
from pipeline.serving.api.openapi import openapi_document
from pipeline.serving.api.routes import PATTERNS
from pipeline.use_cases.management import registry_documents as documents
from pipeline.use_cases.management.grant_upload import MultipartEnd, MultipartRequest, UploadRequest
from pipeline.use_cases.management.manage_registry import AliasChange, Grant, Rollback

__all__ = ["REGISTRY_ROUTES", "api_document"]

Document = dict[str, Any]
_REFERENCES = "#/components/schemas/{model}"


class _Operation(NamedTuple):
    """One route of the registry.

    Attributes:
        summary: One sentence.
        response: Type of the response.
        request: Type of the request body; None if the route takes none.
        query: Keys of the query parameters in ``_QUERY_PARAMETERS``.
        status: HTTP status of a successful response.
    """

    summary: str
    response: Any
    request: Any = None
    query: tuple[str, ...] = ()
    status: HTTPStatus = HTTPStatus.OK


_PAGE = ("limit", "next")
REGISTRY_ROUTES: Mapping[tuple[str, str], _Operation] = {
    ("get", "/registry/models"): _Operation(
        "List the tenant's models by name.", documents.ModelPage, query=(*_PAGE, "after", "task", "tag")
    ),
    ("get", "/registry/models/{model}"): _Operation(
        "List a model's versions, oldest first.", documents.VersionPage, query=_PAGE
    ),
    ("get", "/registry/models/{model}/versions/{version}"): _Operation(
        "Describe a version with its card.", documents.VersionDocument
    ),
    ("delete", "/registry/models/{model}/versions/{version}"): _Operation(
        "Delete a version after a grace period.", documents.DeletedVersion
    ),
    ("get", "/registry/models/{model}/history"): _Operation(
        "List the moves of a model's aliases, newest first.", documents.MovePage, query=(*_PAGE, "alias")
    ),
    ("put", "/registry/models/{model}/aliases/{alias}"): _Operation(
        "Point an alias to a version.", documents.Move, AliasChange
    ),
    ("post", "/registry/models/{model}/rollback"): _Operation(
        "Return an alias to the version before.", documents.Move, Rollback
    ),
    ("get", "/registry/models/{model}/grants"): _Operation(
        "List with whom a model is shared.", documents.GrantList, query=_PAGE
    ),
    ("put", "/registry/models/{model}/grants/{tenant}"): _Operation(
        "Let another tenant use a model.", documents.ModelGrant, Grant
    ),
    ("delete", "/registry/models/{model}/grants/{tenant}"): _Operation("End a grant.", documents.ModelGrant),
    ("get", "/registry/runs"): _Operation(
        "List the tenant's runs, newest first.", documents.RunPage, query=(*_PAGE, "of_model")
    ),
    ("get", "/registry/runs/{run}"): _Operation("Describe a run with its timeline.", documents.Run),
    ("post", "/registry/runs/{run}/cancel"): _Operation("End a run and its jobs.", documents.CanceledRun),
    ("get", "/registry/rejected"): _Operation(
        "List the uploads that started no run, newest first.", documents.RejectedPage, query=_PAGE
    ),
    ("post", "/registry/uploads"): _Operation(
        "Sign the form of one file.", documents.Form, UploadRequest, status=HTTPStatus.CREATED
    ),
    ("post", "/registry/uploads/multipart"): _Operation(
        "Begin an upload in parts, or sign those that are missing.", documents.Parts, MultipartRequest
    ),
    ("post", "/registry/uploads/multipart/complete"): _Operation(
        "Make the object of its parts.", documents.CompletedUpload, MultipartEnd
    ),
    ("post", "/registry/uploads/multipart/abort"): _Operation(
        "Delete the parts of an upload.", documents.AbortedUpload, MultipartEnd
    ),
}
_PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "model": ("Name of the model.", "[A-Za-z0-9_.-]{1,32}"),
    "version": ("Number of the version.", PATTERNS["version"]),
    "tenant": ("Name of the other tenant.", "[a-z0-9-]{1,32}"),
    "alias": ("Name of the alias, such as `live`.", "[A-Za-z0-9_-]{1,32}"),
    "run": ("Name of the run.", "[A-Za-z0-9_.-]{1,128}"),
}
_TEXT: Document = {"type": "string"}
_QUERY_PARAMETERS: Mapping[str, tuple[str, str, Document]] = {  # name, description, schema
    "limit": ("limit", "Entries of one page.", {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}),
    "next": ("next", "The field `next` of the page before; the last page has none.", _TEXT),
    "after": ("after", "Models whose name follows this one.", _TEXT),
    "task": ("task", "Models whose newest version has this task; a page may have fewer.", _TEXT),
    "tag": ("tag", "Tags: name, value or name=value; a page may have fewer.", {"type": "array", "items": _TEXT}),
    "alias": ("alias", "Moves of this alias; a page may have fewer.", _TEXT),
    "of_model": ("model", "Runs of this model.", _TEXT),
}


def api_document() -> Document:
    """Return the OpenAPI document of the API: any model's predictions, and the registry."""
    document = openapi_document()
    types = {type_: "validation" for route in REGISTRY_ROUTES.values() if (type_ := route.request) is not None}
    types |= {route.response: "serialization" for route in REGISTRY_ROUTES.values()}
    inputs = [(type_, mode, TypeAdapter(type_)) for type_, mode in types.items()]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCES)  # type: ignore[arg-type]
    document["components"]["schemas"] |= definitions["$defs"]
    for (method, path), operation in REGISTRY_ROUTES.items():
        response = schemas[operation.response, "serialization"]
        request = None if operation.request is None else schemas[operation.request, "validation"]
        document["paths"].setdefault(path, {})[method] = _describe(method, path, operation, response, request)
    return document


def _describe(method: str, path: str, operation: _Operation, response: Any, request: Any) -> Document:
    error = {"$ref": "#/components/schemas/Error"}
    statuses = {status: _content(reason, error) for status, reason in REQUEST_STATUSES.items()}
    statuses |= {operation.status: _content("The response.", response)}
    if operation.request is MultipartRequest:
        statuses |= {HTTPStatus.CREATED: _content("The upload has begun.", response)}
    described: Document = {
        "operationId": "_".join([method, *path.replace("{", "").replace("}", "").split("/")[2:]]),
        "tags": ["Registry"],
        "summary": operation.summary,
        "parameters": [*_path_parameters(path), *map(_query_parameter, operation.query)],
        "responses": {str(int(status)): content for status, content in statuses.items()},
    }
    if request is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    return described


def _path_parameters(path: str) -> list[Document]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": {"type": "string", "pattern": f"^{pattern}$"},
        }
        for name, (description, pattern) in _PATH_PARAMETERS.items()
        if f"{{{name}}}" in path
    ]


def _query_parameter(key: str) -> Document:
    name, description, schema = _QUERY_PARAMETERS[key]
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _content(description: str, schema: Document) -> Document:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
