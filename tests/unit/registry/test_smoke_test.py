"""The golden rows through the predict function."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.contracts.errors import JobCrashedError, SmokeTestFailedError, TransientError
from pipeline.contracts.records.model_version import GoldenPredictions
from pipeline.registry.smoke_test import smoke_test
from tests.fakes.function_calls import FakeFunctionCalls
from tests.fakes.records import golden, model_version

VERSION = model_version().model_copy(update={"version": 3})
VALUES = GoldenPredictions(rows=({"age": 30.0},), predictions=({"value": 200000.0},))


def answering(predictions: Any, status: int = 200) -> FakeFunctionCalls:
    body = {"predictions": predictions} if status == 200 else {"error": predictions}
    return FakeFunctionCalls(lambda _: {"statusCode": status, "body": json.dumps(body), "isBase64Encoded": False})


def run(calls: FakeFunctionCalls, expected: GoldenPredictions | None = None) -> None:
    smoke_test(VERSION, expected or golden(), calls=calls, predict_function="predict")


def test_expected_predictions_pass_and_the_request_names_the_version() -> None:
    calls = answering(golden().predictions)
    run(calls)
    ((function, event),) = calls.calls
    assert function == "predict"
    assert (event["httpMethod"], event["path"]) == ("POST", "/v2/models/adult/versions/3/infer")
    assert json.loads(event["body"]) == {"rows": list(golden().rows)}
    assert event["requestContext"]["authorizer"]["tenant"] == "demo"


def test_a_difference_within_the_tolerance_passes() -> None:
    near = [dict(p) for p in golden().predictions]
    near[0] = {"label": "high", "probabilities": {"high": 0.75005, "low": 0.24995}}
    run(answering(near))


@pytest.mark.parametrize(
    "first",
    [
        {"label": "low", "probabilities": {"high": 0.75, "low": 0.25}},
        {"label": "high", "probabilities": {"high": 0.752, "low": 0.248}},
        {"label": "high", "probabilities": {"high": 0.75}},
        {"label": "high"},
        {"value": 1.0},
    ],
)
def test_a_different_prediction_fails_and_is_counted(first: dict[str, Any]) -> None:
    with pytest.raises(SmokeTestFailedError, match=r"version 3 .* 1 of 2 golden rows"):
        run(answering([first, golden().predictions[1]]))


def test_missing_or_extra_predictions_fail() -> None:
    with pytest.raises(SmokeTestFailedError, match="1 of 2"):
        run(answering(golden().predictions[:1]))
    with pytest.raises(SmokeTestFailedError, match="1 of 2"):
        run(answering([*golden().predictions, golden().predictions[0]]))


def test_large_values_are_compared_relatively_and_nan_fails() -> None:
    run(answering([{"value": 200010.0}]), VALUES)
    for value in (200100.0, float("nan"), None):
        with pytest.raises(SmokeTestFailedError):
            run(answering([{"value": value}]), VALUES)


def test_the_message_of_a_refusal_is_in_the_error() -> None:
    with pytest.raises(SmokeTestFailedError, match=r"version 3 .* 400: the column"):
        run(answering("the column 'age' is missing", 400))


def test_a_busy_function_is_a_transient_error() -> None:
    with pytest.raises(TransientError):
        run(answering("a service is busy", 503))


def test_a_crash_of_the_function_is_a_job_crashed_error() -> None:
    def crash(_: Any) -> dict[str, Any]:
        raise JobCrashedError("Runtime.ExitError: ")

    with pytest.raises(JobCrashedError):
        run(FakeFunctionCalls(crash))
