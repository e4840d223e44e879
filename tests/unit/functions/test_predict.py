"""predict: rows and tensors over HTTP, errors as responses, and one log line and metrics record per request."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contracts.errors import TransientError
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_cache import ModelCache
from pipeline.serving.model_loader import ModelLoader, make_session_factory
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.api_requests import Api, authorized
from tests.helpers.served_models import ROWS, publish

BODY = json.dumps({"rows": ROWS})
SECRET = "Jane Doe"


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def api(table: FakeTable, capsys: pytest.CaptureFixture[str]) -> Api:
    """The function over a registry whose tenant demo has version 1 of adult live, and version 2 not READY."""
    artifacts = FakeObjectStore()
    publish(table, artifacts)
    publish(table, artifacts, run="demo_adult_000000000002", ready=False, live=False)
    function = Api("predict", capsys)
    loader = ModelLoader(table, artifacts, make_session_factory(1))
    function.give(api=PredictionApi(ModelCache(loader, alias_seconds=5)))
    return function


def test_rows_are_predicted(api: Api) -> None:
    status, body = api.ask(authorized("predict", body=BODY))
    assert status == 200
    assert (body["model"], body["version"], len(body["predictions"])) == ("adult", 1, 3)


def test_a_base64_body_gets_the_same_response(api: Api) -> None:
    encoded = authorized("predict", body=base64.b64encode(BODY.encode()).decode(), isBase64Encoded=True)
    assert api.call(encoded) == api.call(authorized("predict", body=BODY))


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"body": '{"rows": [{"age": 1}]}'}, 400, "rows[0] lacks 'job', 'hours per week', 'member'"),
        ({"body": "{"}, 400, "the body is not JSON (line 1, column 2)"),
        ({"body": None}, 400, "the body is empty"),
        ({"path": "/v2/models/titanic/infer"}, 404, "there is no live model 'titanic'"),
        ({"path": "/v2/models/adult/versions/7/infer"}, 404, "model 'adult' has no version 7"),
        ({"path": "/v2/models/adult/versions/2/infer"}, 409, "version 2 of 'adult' has not passed"),
        ({"authorizer": {"tenant": "other"}}, 404, "there is no live model 'adult'"),
        ({"authorizer": {"permissions": "read"}}, 403, "one with the permission 'predict' is expected"),
        ({"authorizer": {"tenant": ""}}, 401, "an API key"),
    ],
)
def test_an_error_is_reported_with_its_status(api: Api, changes: dict[str, Any], status: int, words: str) -> None:
    got, body = api.ask(authorized("predict", **({"body": BODY} | changes)))
    assert (got, list(body)) == (status, ["error"])
    assert words in body["error"]


def test_the_smoke_test_may_call_a_version_that_is_not_ready(api: Api) -> None:
    path = "/v2/models/adult/versions/2/infer"
    status, body = api.ask(authorized("predict", {"principal": "smoke_test"}, path=path, body=BODY))
    assert (status, body["version"]) == (200, 2)


def test_the_smoke_test_of_the_registry_passes(api: Api) -> None:
    from pipeline.registry.smoke_test import smoke_test
    from tests.fakes.function_calls import FakeFunctionCalls
    from tests.fakes.records import golden, model_version

    _, body = api.ask(authorized("predict", body=BODY))
    right = golden().model_copy(update={"rows": tuple(ROWS), "predictions": tuple(body["predictions"])})
    version = model_version().model_copy(update={"version": 2})
    smoke_test(version, right, calls=FakeFunctionCalls(api.call), predict_function="predict")


def test_a_prediction_writes_one_log_line_and_one_metrics_record_without_values(api: Api) -> None:
    rows = [{**ROWS[0], "job": SECRET}]
    logged = api.said(authorized("predict", body=json.dumps({"rows": rows})))
    (line,), (record,) = logged.lines, logged.records
    assert {
        name: line[name] for name in ("level", "function_name", "tenant", "model", "version", "rows", "status")
    } == {
        "level": "INFO",
        "function_name": "modeldrop-predict",
        "tenant": "demo",
        "model": "adult",
        "version": 1,
        "rows": 1,
        "status": 200,
    }
    assert 0 < line["milliseconds"] < 10_000
    assert (record["Rows"], record["Crashed"], record["model"], record["version"]) == ([1.0], [0.0], "adult", 1)
    assert SECRET not in logged.text


def test_a_refusal_is_logged_as_a_warning_without_values(api: Api) -> None:
    logged = api.said(authorized("predict", body=json.dumps({"rows": [{**ROWS[0], "age": SECRET, SECRET: 1}]})))
    (line,), (record,) = logged.lines, logged.records
    assert (line["level"], line["error"], line["status"]) == ("WARNING", "InvalidRequestError", 400)
    assert record["Crashed"] == [0.0]
    assert "Milliseconds" not in record  # a refusal is no prediction
    assert SECRET not in logged.text


class Raising:
    """A source of models that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def find(self, reference: ModelReference) -> LoadedModel:
        raise self._error

    def versions(self, tenant: str, model: str) -> list[int]:
        raise self._error


def test_an_unexpected_exception_is_a_500_logged_with_its_place_and_without_its_message(api: Api) -> None:
    api.give(api=PredictionApi(Raising(ValueError(SECRET))))
    assert api.ask(authorized("predict")) == (
        500,
        {"error": "internal error (request 5f8d0f7e-0c9b-4c3f-9e4e-1d8a1a2b3c4d)"},
    )
    logged = api.said(authorized("predict"))
    (line,), (record,) = logged.lines, logged.records
    assert (line["level"], line["error"], record["Crashed"]) == ("ERROR", "ValueError", [1.0])
    assert line["at"][-1].startswith("test_predict.py:")
    assert SECRET not in logged.text


def test_an_event_that_is_not_from_api_gateway_is_a_500(api: Api) -> None:
    assert api.ask({})[0] == 500


def test_a_busy_table_is_a_503(api: Api) -> None:
    api.give(api=PredictionApi(Raising(TransientError("the table modeldrop-table is busy"))))
    status, body = api.ask(authorized("predict"))
    assert status == 503
    assert "try again" in body["error"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.none() | st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()), encoded=st.booleans())
def test_any_invalid_body_is_a_400(api: Api, body: str | None, encoded: bool) -> None:
    status, response = api.ask(authorized("predict", body=body, isBase64Encoded=encoded))
    assert (status, list(response)) == (400, ["error"])


SHARED = {"tenant": "acme", "shared": "demo/adult=predict+read"}


def shared(path: str, **authorizer: str) -> dict[str, Any]:
    return authorized("predict", {**SHARED, **authorizer}, path=path, body=BODY)


@pytest.mark.parametrize("path", ["/v2/models/demo/adult/infer", "/v2/models/demo/adult/versions/1/infer"])
def test_a_shared_model_predicts_for_another_tenant(api: Api, path: str) -> None:
    status, body = api.ask(shared(path))
    assert (status, body["model"], len(body["predictions"])) == (200, "adult", 3)


@pytest.mark.parametrize(
    ("path", "authorizer", "status"),
    [
        ("/v2/models/demo/adult/infer", {"shared": ""}, 404),
        ("/v2/models/demo/houses/infer", {}, 404),
        ("/v2/models/other/adult/infer", {}, 404),
        ("/v2/models/demo/adult/infer", {"models": "adult"}, 404),
        ("/v2/models/demo/adult/infer", {"shared": "demo/adult=read"}, 403),
        ("/v2/models/demo/adult/infer", {"permissions": "read"}, 403),
        ("/v2/models/adult/infer", {}, 404),  # acme has none of its own
        ("/v2/models/demo/adult/versions/2/infer", {}, 409),
    ],
)
def test_a_model_that_is_not_shared_is_refused(api: Api, path: str, authorizer: dict[str, str], status: int) -> None:
    got, body = api.ask(shared(path, **authorizer))
    assert got == status
    assert "demo" not in body["error"]


def test_a_path_may_name_the_tenant_of_the_caller(api: Api) -> None:
    assert api.ask(authorized("predict", path="/v2/models/demo/adult/infer", body=BODY))[0] == 200
