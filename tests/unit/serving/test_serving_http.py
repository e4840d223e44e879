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
from pipeline.serving.http import http_status, make_error_response, make_response, parse_infer_request
from tests.function_files import event


def predict_event(authorizer: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    document = event("predict")
    document["requestContext"]["authorizer"] |= authorizer or {}
    return document | changes


def test_an_event_names_tenant_model_and_the_live_version() -> None:
    request = parse_infer_request(predict_event())
    assert (request.tenant, request.model, request.version, request.allow_unready) == ("demo", "adult", None, False)
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
    request = parse_infer_request(predict_event(path=path))
    assert (request.model, request.version) == (model, version)


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
        parse_infer_request(predict_event(path=path))


def test_the_smoke_test_may_ask_for_a_version_that_is_not_ready() -> None:
    assert parse_infer_request(predict_event({"principal": "smoke_test"})).allow_unready


@pytest.mark.parametrize("body", ["{}", '{"rows": [{"café": "日本"}]}'])
def test_a_base64_body_is_decoded(body: str) -> None:
    encoded = base64.b64encode(body.encode()).decode()
    assert parse_infer_request(predict_event(body=encoded, isBase64Encoded=True)).body == body.encode()


@pytest.mark.parametrize("body", ["%%%", "abc", "é"])
def test_a_body_that_is_not_base64_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequestError, match="base64"):
        parse_infer_request(predict_event(body=body, isBase64Encoded=True))


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_is_refused(body: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="the body is empty"):
        parse_infer_request(predict_event(body=body))


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"tenant": ""}}])
def test_a_request_that_nobody_authenticated_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        parse_infer_request(predict_event(requestContext=context))


@pytest.mark.parametrize("permissions", ["read", "", "predicting"])
def test_a_key_without_the_permission_may_not_predict(permissions: str) -> None:
    with pytest.raises(ForbiddenError, match="'predict'"):
        parse_infer_request(predict_event({"permissions": permissions}))


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
        ("IntegrityError", 500),
        ("ConfigurationError", 500),
        ("ModeldropError", 500),
    ],
)
def test_each_error_has_the_status_of_its_nearest_base(name: str, status: int) -> None:
    kind: type[ModeldropError] = getattr(errors, name)
    assert http_status(kind("words")) == status


@pytest.mark.parametrize("error", [ValueError("Jane Doe"), KeyError("Jane Doe"), errors.IntegrityError("Jane Doe")])
def test_what_is_ours_is_said_without_its_words_but_with_where_to_look(error: Exception) -> None:
    answer = make_error_response(error, "request-1")
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"]) == {"error": "internal error (request request-1)"}


def test_a_callers_mistake_is_said_in_its_own_words() -> None:
    answer = make_error_response(InvalidRequestError("rows[0] lacks 'ägè'"), "request-1")
    assert (answer["statusCode"], json.loads(answer["body"])) == (400, {"error": "rows[0] lacks 'ägè'"})


def test_a_busy_service_is_worth_another_try() -> None:
    answer = make_error_response(errors.TransientError("the table modeldrop-1 is busy"), "request-1")
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]) == {"error": "a service is busy, try again (request request-1)"}


def test_an_answer_is_json() -> None:
    assert make_response(200, "{}") == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": "{}",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("parameters", "ignores"),
    [(None, False), ({}, False), ({"extra": "ignore"}, True), ({"extra": "refuse"}, False), ({"other": "1"}, False)],
)
def test_a_request_may_ask_that_extra_columns_are_ignored(parameters: dict[str, str] | None, ignores: bool) -> None:
    assert parse_infer_request(predict_event(queryStringParameters=parameters)).ignore_extra is ignores


def test_another_wish_for_extra_columns_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="'ignore'"):
        parse_infer_request(predict_event(queryStringParameters={"extra": "ignored"}))
