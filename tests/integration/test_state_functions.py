"""The functions of the state machine on moto, each with the output of the previous one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.awslambda_simple.models import lambda_simple_backends

from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.cloud.s3_object_store import S3ObjectStore
from pipeline.contracts.errors import JobCrashedError, NoCandidateSurvivedError, SmokeTestFailedError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.record import Record
from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome
from pipeline.contracts.records.run import Run
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.records import MODEL_BYTES, NOW, artifact, documents, golden, selection
from tests.helpers.function_files import event
from tests.helpers.handlers import handler
from tests.integration.conftest import ARTIFACTS, REGION, TABLE

RUN = "demo_adult_0123456789ab"  # as in tests/events
KEYS = RunKeys(RUN)
ACCOUNT = "123456789012"


class World:
    """The run of the event files and the documents of its stages."""

    def __init__(self, clients: Clients) -> None:
        self.artifacts = S3ObjectStore(clients.s3, ARTIFACTS)
        table = DynamoTable(clients.dynamodb, TABLE)
        self.runs = RunLog(table)
        self.registry = ModelRegistry(table, self.artifacts)
        self.runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
        self.artifacts.put(artifact().key, MODEL_BYTES)
        for key, record in documents(RUN).items():
            self.keep(key, record)

    def keep(self, key: str, record: Record) -> None:
        self.artifacts.put(key, record.to_bytes())

    def run(self) -> Run:
        return self.runs.get(RUN)

    def predict_answers(self, predictions: Any) -> None:
        """Set the next response of the predict function (moto runs no function, it returns queued results)."""
        answer = {"statusCode": 200, "body": json.dumps({"predictions": predictions}), "isBase64Encoded": False}
        lambda_simple_backends[ACCOUNT][REGION].lambda_simple_results_queue.append(json.dumps(answer))


@pytest.fixture
def world(clients: Clients, account: dict[str, str]) -> World:
    return World(clients)


def test_a_winner_goes_live_through_all_functions(world: World) -> None:
    assert handler("select_variant")(event("select_variant")) == {}
    assert handler("register_model")(event("register_model")) == {"version": 1}
    assert world.registry.get("demo", "adult", 1).status == "REGISTERED"
    world.predict_answers(golden().predictions)
    assert handler("smoke_test")(event("smoke_test")) == {}
    assert world.registry.get("demo", "adult", 1).status == "READY"
    assert handler("promote_model")(event("promote_model")) == {"status": "SUCCEEDED"}
    assert world.registry.live("demo", "adult").lineage.run == RUN
    run = world.run()
    assert (run.status, run.version) == ("SUCCEEDED", 1)
    done = {stage.name for stage in run.stages if stage.status == "SUCCEEDED"}
    assert done == {"select", "register", "smoke_test", "promote"}


def test_a_version_that_fails_the_smoke_test_does_not_go_live(world: World) -> None:
    world.keep(KEYS.selection, selection())
    handler("register_model")(event("register_model"))
    world.predict_answers([])
    with pytest.raises(SmokeTestFailedError, match="2 of 2 golden rows"):
        handler("smoke_test")(event("smoke_test"))
    assert world.registry.models("demo")[0].live_version is None


def test_a_missed_limit_waits_for_a_decision(world: World) -> None:
    world.keep(KEYS.selection, selection(unmet=("max_bytes: 9 > 8",)))
    handler("register_model")(event("register_model"))
    world.registry.ready("demo", "adult", 1)
    assert handler("promote_model")(event("promote_model")) == {"status": "NEEDS_DECISION"}
    assert "max_bytes" in (world.run().reason or "")


def test_a_crashed_job_is_recognized_by_its_exit_code(world: World) -> None:
    with pytest.raises(JobCrashedError, match="exit code 137, OutOfMemoryError"):
        handler("collect_job")(event("collect_job_failed"))


def test_training_without_a_trained_candidate_fails(world: World) -> None:
    with pytest.raises(NoCandidateSurvivedError):
        handler("collect_job")(event("collect_job"))
    trained = CandidateOutcome(candidate="mlp", status="trained", seconds=1.0)
    outcome = JobOutcome(job="gpu", status="SUCCEEDED", device="cpu", seconds=1.0, candidates=(trained,))
    world.keep(KEYS.outcome("gpu"), outcome)
    assert handler("collect_job")(event("collect_job")) == {}
    assert handler("collect_job")(event("collect_job_failed")) == {}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("record_failure", "InvalidTargetError"),
        ("record_failure_timed_out", "ExecutionEndedError"),
        ("record_failure_aborted", "ExecutionEndedError"),
    ],
)
def test_a_failure_is_recorded_from_any_source_and_the_first_message_stays(world: World, name: str, error: str) -> None:
    record = handler("record_failure")
    record(event(name))
    first = world.run()
    assert first.status == "FAILED"
    assert first.error is not None
    assert first.error.type == error
    record(event("record_failure_aborted"))
    assert world.run() == first


def test_a_failure_event_after_the_end_of_a_run_changes_nothing(world: World) -> None:
    world.runs.succeed(RUN, 1)
    handler("record_failure")(event("record_failure_timed_out"))
    assert world.run().status == "SUCCEEDED"
