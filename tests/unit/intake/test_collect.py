"""Outcomes of Batch jobs."""

from __future__ import annotations

import json

import pytest

from pipeline.contracts.errors import (
    CandidateFailedError,
    CapacityUnavailableError,
    ImageUnavailableError,
    JobCrashedError,
    JobInterruptedError,
    NoCandidateSurvivedError,
)
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome
from pipeline.contracts.records.run import RunError
from pipeline.intake.job_outcomes import check_job, require_survivor
from tests.fakes.objects import FakeObjectStore

RUN = "demo_adult_000000000001"
KILLED = json.dumps(
    {
        "JobName": "gpu",
        "Status": "FAILED",
        "StatusReason": "Essential container in task exited",
        "Container": {"ExitCode": 137},
    }
)
NO_MACHINE = json.dumps(
    {
        "JobName": "gpu",
        "Status": "FAILED",
        "StatusReason": "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
        "Container": {},
    }
)


def outcome(artifacts: FakeObjectStore, job: str, error: RunError | None = None, **candidates: str) -> None:
    job_outcome = JobOutcome(
        job=job,
        status="FAILED" if error else "SUCCEEDED",
        error=error,
        device="cpu",
        seconds=1.0,
        candidates=tuple(
            CandidateOutcome(candidate=name, status="trained", seconds=1.0)
            if result == "trained"
            else CandidateOutcome(
                candidate=name,
                status="failed",
                seconds=1.0,
                error=RunError(type="CandidateFailedError", message=result),
            )
            for name, result in candidates.items()
        ),
    )
    artifacts.put(RunKeys(RUN).outcome(job), job_outcome.to_bytes())


@pytest.fixture
def artifacts() -> FakeObjectStore:
    return FakeObjectStore()


def test_a_job_that_finished_before_its_machine_was_lost_has_not_failed(artifacts: FakeObjectStore) -> None:
    outcome(artifacts, "gpu", mlp="trained")
    check_job(RUN, "gpu", KILLED, artifacts=artifacts)


def test_an_error_that_the_job_recorded_is_raised_as_its_class(artifacts: FakeObjectStore) -> None:
    outcome(artifacts, "gpu", RunError(type="CandidateFailedError", message="the loss is not finite"))
    with pytest.raises(CandidateFailedError, match="the loss is not finite"):
        check_job(RUN, "gpu", KILLED, artifacts=artifacts)


def test_a_job_without_an_outcome_is_a_crash_with_the_exit_code(artifacts: FakeObjectStore) -> None:
    with pytest.raises(JobCrashedError, match=r"'gpu' ended without an outcome \(exit code 137"):
        check_job(RUN, "gpu", KILLED, artifacts=artifacts)


def test_a_job_without_a_machine_is_reported_even_after_an_interrupted_attempt(artifacts: FakeObjectStore) -> None:
    outcome(artifacts, "gpu", RunError(type="JobCrashedError", message="the machine was reclaimed"))
    with pytest.raises(CapacityUnavailableError):
        check_job(RUN, "gpu", NO_MACHINE, artifacts=artifacts)


def test_the_message_of_a_wait_without_a_reason_has_no_empty_end(artifacts: FakeObjectStore) -> None:
    cause = json.dumps({"Status": "FAILED", "StatusReason": "CAPACITY:NO_MACHINE within 120 seconds: "})
    with pytest.raises(CapacityUnavailableError, match=r"in time \(CAPACITY:NO_MACHINE within 120 seconds\)$"):
        check_job(RUN, "cpu", cause, artifacts=artifacts)


@pytest.mark.parametrize(
    "reason",
    [
        "CAPACITY:NO_MACHINE within 600 seconds: UNDETERMINED - Batch job is blocked, root cause is undetermined.",
        "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    ],
)
def test_a_job_that_never_got_a_machine_is_reported_with_the_reason_of_batch(
    artifacts: FakeObjectStore, reason: str
) -> None:
    with pytest.raises(CapacityUnavailableError, match=reason.rsplit(":", 1)[1]):
        check_job(RUN, "gpu", json.dumps({"Status": "FAILED", "StatusReason": reason}), artifacts=artifacts)


@pytest.mark.parametrize("where", ["job", "container"])
def test_a_job_that_fargate_could_not_start_is_reported_as_missing_capacity(
    artifacts: FakeObjectStore, where: str
) -> None:
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: connection timed out"
    container = {"Reason": reason} if where == "container" else {}
    status_reason = reason if where == "job" else "Task failed to start"
    described = {"Status": "FAILED", "StatusReason": status_reason, "Container": container}
    with pytest.raises(CapacityUnavailableError, match="ResourceInitializationError"):
        check_job(RUN, "cpu", json.dumps(described), artifacts=artifacts)


@pytest.mark.parametrize("where", ["job", "attempt"])
def test_a_job_whose_image_cannot_be_pulled_is_reported(artifacts: FakeObjectStore, where: str) -> None:
    container = {"Reason": "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"}
    described = {"Status": "FAILED", "StatusReason": "Task failed to start"}
    described |= (
        {"Container": container} if where == "job" else {"Container": {}, "Attempts": [{"Container": container}]}
    )
    with pytest.raises(ImageUnavailableError, match="CannotPullContainerError"):
        check_job(RUN, "gpu", json.dumps(described), artifacts=artifacts)


def test_an_interruption_of_the_job_is_not_retried_as_an_error_of_this_step(artifacts: FakeObjectStore) -> None:
    """A TransientError would make Step Functions retry the step itself four times, without any effect."""
    outcome(artifacts, "cpu", RunError(type="TransientError", message="the machine was reclaimed"))
    with pytest.raises(JobInterruptedError, match="reclaimed"):
        check_job(RUN, "cpu", KILLED, artifacts=artifacts)


def test_the_cause_of_a_multi_node_job_is_read_from_its_nested_execution(artifacts: FakeObjectStore) -> None:
    nested = json.dumps({"ExecutionArn": "arn", "Status": "FAILED", "Error": "JobCrashedError", "Cause": NO_MACHINE})
    with pytest.raises(CapacityUnavailableError):
        check_job(RUN, "gpu", nested, artifacts=artifacts)


@pytest.mark.parametrize("cause", ["", "The state timed out", "[1]", "null"])
def test_a_cause_that_does_not_describe_a_job_is_a_crash(artifacts: FakeObjectStore, cause: str) -> None:
    with pytest.raises(JobCrashedError):
        check_job(RUN, "gpu", cause, artifacts=artifacts)


def test_one_trained_candidate_is_enough(artifacts: FakeObjectStore) -> None:
    outcome(artifacts, "cpu", linear="it did not converge")
    outcome(artifacts, "gpu", mlp="trained")
    require_survivor(RUN, ["cpu", "gpu"], artifacts=artifacts)


def test_the_reason_of_each_candidate_is_reported_if_none_survives(artifacts: FakeObjectStore) -> None:
    outcome(artifacts, "cpu", linear="it did not converge", random_forest="too deep")
    outcome(artifacts, "big", RunError(type="ConfigurationError", message="TABLE_NAME is not set"))
    with pytest.raises(NoCandidateSurvivedError) as raised:
        require_survivor(RUN, ["cpu", "gpu", "big"], artifacts=artifacts)
    for result in ("linear: it did not converge", "random_forest: too deep", "'gpu' ended without", "TABLE_NAME"):
        assert result in raised.value.message
