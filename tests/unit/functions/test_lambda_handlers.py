"""The decorators of Lambda handlers: results, errors, logs and metrics."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.errors import MAX_MESSAGE, InternalError, InvalidTargetError
from pipeline.lambda_handlers import count, event_function, logger, state_function
from tests.fakes.lambda_context import FakeLambdaContext

ROOT = Path(__file__).parents[3]
RUN = "demo_adult_0123456789ab"
SECRET = "Jane Doe, 42"


class Log(StringIO):
    """A stream that returns the logged lines as JSON objects."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    written = Log()
    stdout = handler.setStream(written)
    yield written
    handler.setStream(stdout)


def test_the_event_of_a_state_becomes_arguments_and_the_result_is_returned() -> None:
    arguments = []

    @state_function
    def handler(run: str, version: int, job: str = "cpu") -> dict[str, Any]:
        arguments.append((run, version, job))
        return {"status": "SUCCEEDED"}

    assert handler({"run": RUN, "version": 2}, FakeLambdaContext()) == {"status": "SUCCEEDED"}
    assert arguments == [(RUN, 2, "cpu")]


def test_a_handler_without_a_result_returns_an_empty_object() -> None:
    @state_function
    def handler(run: str) -> None:
        assert run

    assert handler({"run": RUN}, FakeLambdaContext()) == {}


def test_every_log_line_has_the_run_even_those_of_the_library(log: Log) -> None:
    @state_function
    def handler(run: str) -> None:
        logging.getLogger("pipeline.intake.start").warning("something is odd", extra={"tenant": "demo"})

    handler({"run": RUN}, FakeLambdaContext())
    logged = log.lines()
    assert [line["message"] for line in logged] == ["started", "something is odd", "finished"]
    assert {line["run"] for line in logged} == {RUN}
    assert logged[1]["tenant"] == "demo"


def test_the_next_invocation_does_not_log_the_earlier_run(log: Log) -> None:
    @state_function
    def first(run: str) -> None: ...

    @event_function
    def second(event: dict[str, Any]) -> None:
        logging.getLogger("pipeline").warning("alone")

    first({"run": RUN}, FakeLambdaContext())
    second({}, FakeLambdaContext())
    assert ["run" in line for line in log.lines()] == [True, True, False]


def test_pipeline_errors_are_raised_unchanged_and_logged(log: Log) -> None:
    @state_function
    def handler(run: str) -> None:
        raise InvalidTargetError("the target column 'income' has one value")

    with pytest.raises(InvalidTargetError, match="one value"):
        handler({"run": RUN}, FakeLambdaContext())
    last = log.lines()[-1]
    assert (last["level"], last["error"], last["run"]) == ("WARNING", "InvalidTargetError", RUN)


def test_an_unexpected_exception_is_reported_without_its_text(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    @state_function
    def handler(run: str) -> None:
        raise ValueError(f"could not parse {SECRET!r}")

    with pytest.raises(InternalError) as raised:
        handler({"run": RUN}, FakeLambdaContext())
    assert raised.value.__suppress_context__
    assert "ValueError" in raised.value.message
    assert SECRET not in raised.value.message + log.getvalue() + capsys.readouterr().out
    last = log.lines()[-1]
    assert (last["level"], last["error"]) == ("ERROR", "ValueError")
    assert last["at"][-1].startswith("test_lambda_handlers.py:")


def test_a_long_error_message_is_shortened(log: Log) -> None:
    @state_function
    def handler(run: str) -> None:
        raise InvalidTargetError("x" * 1_000_000)

    with pytest.raises(InvalidTargetError) as raised:
        handler({"run": RUN}, FakeLambdaContext())
    assert len(raised.value.message) == MAX_MESSAGE
    assert raised.value.message.endswith(" ...")
    assert len(log.getvalue()) < 10_000


def test_a_count_is_one_metrics_record_and_zero_is_not_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count("RunsStarted", 0)
    assert capsys.readouterr().out == ""
    count("RunsStarted", 2)
    record = json.loads(capsys.readouterr().out)
    (directive,) = record["_aws"]["CloudWatchMetrics"]
    assert (record["RunsStarted"], record["service"]) == ([2.0], "modeldrop")
    assert directive["Dimensions"] == [["service"]]


def test_an_error_is_counted_once_and_a_success_is_not_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @event_function
    def handler(event: dict[str, Any]) -> None:
        if event:
            raise InvalidTargetError("the target column 'income' has one value")

    handler({}, FakeLambdaContext())
    assert "_aws" not in capsys.readouterr().out
    with pytest.raises(InvalidTargetError):
        handler({"a": 1}, FakeLambdaContext())
    (record,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert record["Failed"] == [1.0]


def test_there_are_at_most_ten_custom_metrics() -> None:
    sources = "".join(
        path.read_text() for path in [ROOT / "pipeline/lambda_handlers.py", *ROOT.glob("functions/*/app.py")]
    )
    names = set(re.findall(r'(?:add_metric\(name=|count\()"(\w+)"', sources))
    assert names == {
        "Crashed",
        "Failed",
        "Milliseconds",
        "PurgesFailed",
        "Rows",
        "RolledBack",
        "RunsFailed",
        "RunsLost",
        "RunsStarted",
        "VersionsPurged",
    }
    assert "capture_cold_start_metric" not in sources  # it has a dimension of its own for each function
