"""cancel and retry."""

from __future__ import annotations

import json

import pytest

from pipeline.contracts.object_keys import RunKeys
from tests.fakes.records import upload
from tests.unit.cli.conftest import Stage


def test_a_canceled_run_fails_and_its_execution_is_aborted(stage: Stage) -> None:
    run = stage.begin()
    document = stage.json("cancel", run, "--json")
    assert (document["status"], document["error"]["type"]) == ("FAILED", "RunCanceledError")
    assert stage.executions.stopped.keys() == {run}
    assert [entry.action for entry in stage.audit.list()] == ["cancel"]


def test_the_newest_run_of_a_model_is_canceled(stage: Stage) -> None:
    stage.begin("demo_m_1")
    assert stage.run("cancel", "m").exit_code == 0
    assert stage.runs.get("demo_m_1").status == "FAILED"


def test_an_ended_run_is_not_canceled(stage: Stage) -> None:
    stage.runs.succeed(stage.begin(), 1)
    result = stage.run("cancel", "demo_m_1", "--json")
    assert (result.exit_code, json.loads(result.stdout)["type"]) == (1, "ConflictError")
    assert stage.executions.stopped == {}


@pytest.fixture
def ended(stage: Stage) -> Stage:
    """An ended run, whose file was replaced later."""
    stage.runs.succeed(stage.begin(), 1)
    stage.uploads.put("demo/m/m.csv", b"old", metadata={"target": "y"})
    version = stage.uploads.head("demo/m/m.csv").version_id
    stored = upload().model_copy(update={"key": "demo/m/m.csv", "version_id": version})
    stage.artifacts.put(RunKeys("demo_m_1").upload, stored.to_bytes())
    stage.uploads.put("demo/m/m.csv", b"new")
    return stage


def test_retry_starts_a_new_run_on_the_same_bytes_and_metadata(ended: Stage) -> None:
    run = ended.run("retry", "demo_m_1").stdout.strip()
    assert run.startswith("demo_m_")
    assert run != "demo_m_1"
    assert ended.uploads.get("demo/m/m.csv") == b"old"
    assert ended.uploads.head("demo/m/m.csv").metadata == {"target": "y"}


def test_an_active_run_is_not_retried(stage: Stage) -> None:
    result = stage.run("retry", stage.begin())
    assert result.exit_code == 1
    assert "cancel" in result.stderr
