"""The OpenAPI document is valid and complete, and matches the responses of the API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import pytest
import schemathesis
from hypothesis import given
from jsonschema_rs import Draft202012Validator, meta
from openapi_spec_validator import OpenAPIV31SpecValidator

from pipeline.contracts.signature import Column, Signature
from pipeline.serving.api.errors import respond_to_error
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.openapi import openapi_document
from pipeline.serving.api.openapi_schemas import example_row
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.api.routes import ROUTES, Action
from tests.fakes.models import OneModel
from tests.helpers.openapi_requests import CHECKS, few_requests
from tests.helpers.prediction_requests import post
from tests.helpers.served_models import CLASSIFIER, loaded

PROBES: tuple[Action, ...] = ("live", "ready")
API = PredictionApi(OneModel(loaded()))
DOCUMENT = openapi_document("adult", CLASSIFIER)
SCHEMAS = DOCUMENT["components"]


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The API as a WSGI application, as an edge makes it one: every exception is a response."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    try:
        response = API.respond(HttpRequest(environ["REQUEST_METHOD"], path, body, headers, query), Caller("demo"))
    except Exception as error:  # noqa: BLE001 - as an edge
        response = respond_to_error(error, "test")
    status = HTTPStatus(response.status)
    start_response(f"{status.value} {status.phrase}", list(response.headers.items()))
    return [response.body]


OPERATIONS = [  # those with a version or a label have the same bodies
    operation.ok()
    for operation in schemathesis.openapi.from_wsgi("/openapi.json", application).get_all_operations()
    if not {"{version}", "{label}"} & set(operation.ok().path.replace(":", "/").split("/"))
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_responses_to_generated_requests_match_the_document(operation: Any) -> None:
    @given(case=operation.as_strategy())
    @few_requests(4)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


@pytest.mark.parametrize(
    "document",
    [DOCUMENT, openapi_document(), openapi_document("adult", CLASSIFIER, owner="acme")],
    ids=["a model's", "any model's", "a shared model's"],
)
def test_the_document_is_valid_by_the_specification(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(document))).validate()


def test_the_document_has_every_route_and_every_reference_points_to_a_schema() -> None:
    assert {(method.lower(), template) for _, method, template in ROUTES} == {
        (method, template) for template, methods in DOCUMENT["paths"].items() for method in methods
    }
    text = json.dumps(DOCUMENT)
    names = {piece.partition('"')[0] for piece in text.split('"#/components/schemas/')[1:]}
    assert names <= SCHEMAS["schemas"].keys()
    identifiers = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("name", sorted(SCHEMAS["schemas"]))
def test_every_schema_is_a_valid_json_schema(name: str) -> None:
    meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS["schemas"][name]})


def test_the_example_row_of_a_model_is_accepted_and_matches_the_schema() -> None:
    row = example_row(CLASSIFIER)
    Draft202012Validator(SCHEMAS["schemas"]["Row"]).validate(row)
    assert post("/v2/models/adult/infer", {"rows": [row]})["predictions"]


def test_the_row_schema_requires_the_required_columns() -> None:
    columns = (Column(name="a", kind="numeric"), Column(name="b", kind="datetime", is_optional=True))
    document = openapi_document("m", Signature(task="regression", target="y", columns=columns))
    assert document["components"]["schemas"]["Row"]["required"] == ["a"]


def test_the_api_returns_the_document() -> None:
    any_model = openapi_document(without_key=PROBES)
    assert post("/openapi.json", None, method="GET") == json.loads(json.dumps(any_model))
    document = openapi_document("adult", CLASSIFIER, without_key=PROBES)
    assert post("/v2/models/adult/openapi.json", None, method="GET") == json.loads(json.dumps(document))


def test_only_the_probes_of_a_server_need_no_key() -> None:
    paths = post("/openapi.json", None, method="GET")["paths"]
    public = [path for path, operations in paths.items() if any("security" in each for each in operations.values())]
    assert public == ["/v2/health/live", "/v2/health/ready"]
    assert paths["/v2/health/live"]["get"]["security"] == []
