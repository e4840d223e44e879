"""Failures of runs, parsed from events of the state machine; the events are files of tests/events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.intake.failures import parse_failure
from tests.helpers.function_files import event


def caught(error: str, cause: str) -> dict[str, Any]:
    return {"run": "demo_adult_1", "error": {"Error": error, "Cause": cause}}


def test_the_error_of_a_function_keeps_its_class_and_message() -> None:
    failure = parse_failure(event("record_failure"))
    assert failure.run == "demo_adult_0123456789ab"
    assert failure.error.type == "InvalidTargetError"
    assert failure.error.message == "the target column 'income' has one value: at least two classes are expected"


def test_the_cause_of_a_fail_state_is_the_message() -> None:
    assert parse_failure(caught("NoCandidateSurvivedError", "no candidate could be trained")).error.message == (
        "no candidate could be trained"
    )


@pytest.mark.parametrize("name", ["States.Timeout", "States.HeartbeatTimeout", "Sandbox.Timedout"])
def test_a_step_that_timed_out_is_an_ended_execution(name: str) -> None:
    error = parse_failure(caught(name, "")).error
    assert (error.type, "time limit" in error.message) == ("ExecutionEndedError", True)


@pytest.mark.parametrize("name", ["ValueError", "Lambda.Unknown", "States.DataLimitExceeded"])
def test_the_message_of_an_unexpected_error_is_not_quoted(name: str) -> None:
    error = parse_failure(caught(name, json.dumps({"errorMessage": "could not read 'Jane Doe'"}))).error
    assert error.type == "InternalError"
    assert name in error.message
    assert "Jane" not in error.message


@pytest.mark.parametrize(
    ("name", "words"),
    [("record_failure_timed_out", "time limit"), ("record_failure_aborted", "aborted")],
)
def test_an_execution_that_ended_without_a_catch_is_reported_by_its_status(name: str, words: str) -> None:
    failure = parse_failure(event(name))
    assert failure.run == "demo_adult_0123456789ab"
    assert failure.error.type == "ExecutionEndedError"
    assert words in failure.error.message


def test_a_failed_execution_keeps_its_error_and_cause() -> None:
    ended = event("record_failure_timed_out")
    ended["detail"] |= {"status": "FAILED", "error": "TransientError", "cause": "the table is busy"}
    assert parse_failure(ended).error.model_dump() == {"type": "TransientError", "message": "the table is busy"}


def test_a_failed_execution_without_a_cause_is_an_ended_execution() -> None:
    ended = event("record_failure_timed_out")
    ended["detail"] |= {"status": "FAILED", "error": None, "cause": None}
    assert parse_failure(ended).error.type == "ExecutionEndedError"
