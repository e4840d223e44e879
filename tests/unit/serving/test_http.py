"""API Gateway events are read as requests; responses and errors are written for API Gateway."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pipeline.contracts import errors
from pipeline.contracts.errors import (
    ForbiddenError,
    InvalidRequestError,
    ModeldropError,
    NotFoundError,
    UnauthenticatedError,
)
from pipeline.serving.api.errors import http_status
from pipeline.serving.api.messages import Caller, HttpResponse
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.api.routes import Route, find_route
from pipeline.serving.http import find_caller, make_error_response, read_request, write_response
from tests.fakes.models import OneModel
from tests.helpers.function_files import event
from tests.helpers.served_models import ROWS, loaded

API = PredictionApi(OneModel(loaded()))
CALLER = Caller("demo")


def predict_event(authorizer: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    document = event("predict")
    document["requestContext"]["authorizer"] |= authorizer or {}
    return document | changes


def test_an_event_is_read_as_a_request() -> None:
    request = read_request(predict_event())
    assert (request.method, request.path) == ("POST", "/v2/models/adult/infer")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body)["rows"]


@pytest.mark.parametrize(
    ("path", "model", "version"),
    [
        ("/v2/models/a.b-C_9/infer", "a.b-C_9", None),
        ("/v2/models/adult/versions/12/infer", "adult", 12),
        ("/base/v2/models/adult/infer", "adult", None),  # a custom domain's base path
    ],
)
def test_the_path_names_the_model_and_version(path: str, model: str, version: int | None) -> None:
    assert find_route("POST", path) == Route("infer", model, version)


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/adult/versions/latest/infer",
        "/v2/models/adult/versions/-1/infer",
        "/v2/models/adult/versions/1234567/infer",
        "/v2/models/" + "x" * 33 + "/infer",
        "/v2/models/a b/infer",
        "/v2/models//infer",
    ],
)
def test_invalid_names_in_the_path_are_not_found(path: str) -> None:
    with pytest.raises(NotFoundError):
        find_route("POST", path)


def test_the_smoke_test_may_use_a_version_that_is_not_ready() -> None:
    assert find_caller(predict_event({"principal": "smoke_test"})).may_use_unready
    assert not find_caller(predict_event()).may_use_unready


@pytest.mark.parametrize("body", ["{}", '{"rows": [{"café": "日本"}]}'])
def test_a_base64_body_is_decoded(body: str) -> None:
    encoded = base64.b64encode(body.encode()).decode()
    assert read_request(predict_event(body=encoded, isBase64Encoded=True)).body == body.encode()


@pytest.mark.parametrize("body", ["%%%", "abc", "é"])
def test_a_body_that_is_not_base64_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequestError, match="base64"):
        read_request(predict_event(body=body, isBase64Encoded=True))


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="the body is empty"):
        API.respond(read_request(predict_event(body=body)), CALLER)


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"tenant": ""}}])
def test_an_unauthenticated_request_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        find_caller(predict_event(requestContext=context))


@pytest.mark.parametrize("permissions", ["read", "", "predicting"])
def test_a_key_without_the_permission_may_not_predict(permissions: str) -> None:
    caller = find_caller(predict_event({"permissions": permissions}))
    with pytest.raises(ForbiddenError, match="'predict'"):
        API.respond(read_request(predict_event()), caller)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("InputError", 400),
        ("InvalidRequestError", 400),
        ("DatasetError", 400),
        ("UnauthenticatedError", 401),
        ("ForbiddenError", 403),
        ("NotFoundError", 404),
        ("ObjectNotFoundError", 500),
        ("ConflictError", 409),
        ("TransientError", 503),
        ("IntegrityError", 503),
        ("ConfigurationError", 500),
        ("ModeldropError", 500),
    ],
)
def test_each_error_has_the_status_of_its_nearest_base(name: str, status: int) -> None:
    kind: type[ModeldropError] = getattr(errors, name)
    assert http_status(kind("words")) == status


@pytest.mark.parametrize("error", [ValueError("Jane Doe"), KeyError("Jane Doe"), errors.ConfigurationError("Jane Doe")])
def test_an_internal_error_is_reported_with_the_request_id_and_without_its_message(error: Exception) -> None:
    response = make_error_response(error, "request-1")
    assert response["statusCode"] == 500
    assert json.loads(response["body"]) == {"error": "internal error (request request-1)"}


def test_an_invalid_request_is_reported_with_the_message_of_the_error() -> None:
    response = make_error_response(InvalidRequestError("rows[0] lacks 'ägè'"), "request-1")
    assert (response["statusCode"], json.loads(response["body"])) == (400, {"error": "rows[0] lacks 'ägè'"})


def test_an_integrity_error_is_a_503_without_its_message() -> None:
    response = make_error_response(errors.IntegrityError("the artifact Jane Doe is missing"), "request-1")
    assert response["statusCode"] == 503
    sentence = json.loads(response["body"])["error"]
    assert "unhealthy" in sentence
    assert "Jane" not in sentence


def test_a_transient_error_is_a_503_that_suggests_a_retry() -> None:
    response = make_error_response(errors.TransientError("the table modeldrop-1 is busy"), "request-1")
    assert response["statusCode"] == 503
    assert json.loads(response["body"]) == {"error": "a service is busy, try again (request request-1)"}


def test_a_binary_response_is_base64() -> None:
    response = write_response(HttpResponse(200, b"\xff", {"content-type": "application/octet-stream"}))
    assert (response["isBase64Encoded"], base64.b64decode(response["body"])) == (True, b"\xff")


@pytest.mark.parametrize(("headers", "takes_binary"), [({}, False), ({"Accept": "*/*"}, True), (None, False)])
def test_an_event_without_accept_does_not_accept_binary(headers: dict[str, str] | None, takes_binary: bool) -> None:
    assert read_request(predict_event(headers=headers)).accepts("application/octet-stream") is takes_binary


def test_a_response_is_json_by_default() -> None:
    assert write_response(HttpResponse(200, b"{}")) == {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": "{}",
        "isBase64Encoded": False,
    }


EXTRA = json.dumps({"rows": [{**ROWS[0], "city": "Bonn"}]})


@pytest.mark.parametrize("parameters", [None, {}, {"extra": "refuse"}, {"other": "1"}])
def test_extra_columns_are_refused_by_default(parameters: dict[str, str] | None) -> None:
    with pytest.raises(InvalidRequestError, match="'city'"):
        API.respond(read_request(predict_event(body=EXTRA, queryStringParameters=parameters)), CALLER)


def test_the_extra_parameter_ignores_extra_columns() -> None:
    event = predict_event(body=EXTRA, queryStringParameters={"extra": "ignore"})
    assert API.respond(read_request(event), CALLER).status == 200


def test_an_unknown_value_of_the_extra_parameter_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="'ignore'"):
        API.respond(read_request(predict_event(queryStringParameters={"extra": "ignored"})), CALLER)
