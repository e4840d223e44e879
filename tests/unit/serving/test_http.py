"""Events in, responses out; each error's status."""

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
def test_the_path_says_which_model_and_version(path: str, model: str, version: int | None) -> None:
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
def test_names_that_nothing_can_have_are_not_found(path: str) -> None:
    with pytest.raises(NotFoundError):
        find_route("POST", path)


def test_the_smoke_test_may_ask_for_a_version_that_is_not_ready() -> None:
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
def test_a_request_that_nobody_authenticated_is_refused(context: dict[str, Any]) -> None:
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
def test_an_internal_error_is_reported_without_its_text_but_with_where_to_look(error: Exception) -> None:
    answer = make_error_response(error, "request-1")
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"error": "internal error (request request-1)"}


def test_a_callers_mistake_is_reported_in_its_own_words() -> None:
    answer = make_error_response(InvalidRequestError("rows[0] lacks 'ägè'"), "request-1")
    assert (answer["statusCode"], json.loads(answer["body"])) == (400, {"error": "rows[0] lacks 'ägè'"})


def test_a_damaged_version_is_unhealthy_and_not_quoted() -> None:
    answer = make_error_response(errors.IntegrityError("the artifact Jane Doe is missing"), "request-1")
    assert answer["statusCode"] == 503
    sentence = json.loads(answer["body"])["error"]
    assert "unhealthy" in sentence
    assert "Jane" not in sentence


def test_a_busy_service_is_worth_another_try() -> None:
    answer = make_error_response(errors.TransientError("the table modeldrop-1 is busy"), "request-1")
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]) == {"error": "a service is busy, try again (request request-1)"}


def test_a_binary_answer_is_base64() -> None:
    answer = write_response(HttpResponse(200, b"\xff", {"content-type": "application/octet-stream"}))
    assert (answer["isBase64Encoded"], base64.b64decode(answer["body"])) == (True, b"\xff")


@pytest.mark.parametrize(("headers", "takes_binary"), [({}, False), ({"Accept": "*/*"}, True), (None, False)])
def test_an_event_without_accept_is_one_that_takes_json(headers: dict[str, str] | None, takes_binary: bool) -> None:
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


def test_a_request_may_ask_that_extra_columns_are_ignored() -> None:
    event = predict_event(body=EXTRA, queryStringParameters={"extra": "ignore"})
    assert API.respond(read_request(event), CALLER).status == 200


def test_another_wish_for_extra_columns_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="'ignore'"):
        API.respond(read_request(predict_event(queryStringParameters={"extra": "ignored"})), CALLER)
