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


def run(calls: FakeFunctionCalls, wanted: GoldenPredictions | None = None) -> None:
    smoke_test(VERSION, wanted or golden(), calls=calls, predict_function="predict")


def test_golden_answers_pass_and_the_version_is_requested_by_its_number() -> None:
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
def test_another_answer_fails_and_is_counted(first: dict[str, Any]) -> None:
    with pytest.raises(SmokeTestFailedError, match=r"version 3 .* 1 of 2 golden rows"):
        run(answering([first, golden().predictions[1]]))


def test_answers_that_are_missing_or_too_many_fail() -> None:
    with pytest.raises(SmokeTestFailedError, match="1 of 2"):
        run(answering(golden().predictions[:1]))
    with pytest.raises(SmokeTestFailedError, match="1 of 2"):
        run(answering([*golden().predictions, golden().predictions[0]]))


def test_large_values_agree_relatively_and_nan_never() -> None:
    run(answering([{"value": 200010.0}]), VALUES)
    for value in (200100.0, float("nan"), None):
        with pytest.raises(SmokeTestFailedError):
            run(answering([{"value": value}]), VALUES)


def test_a_refusal_is_quoted() -> None:
    with pytest.raises(SmokeTestFailedError, match=r"version 3 .* 400: the column"):
        run(answering("the column 'age' is missing", 400))


def test_a_busy_function_may_be_retried() -> None:
    with pytest.raises(TransientError):
        run(answering("a service is busy", 503))


def test_a_function_that_crashes_is_not_a_wrong_answer() -> None:
    def crash(_: Any) -> dict[str, Any]:
        raise JobCrashedError("Runtime.ExitError: ")

    with pytest.raises(JobCrashedError):
        run(FakeFunctionCalls(crash))
