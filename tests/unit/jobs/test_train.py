"""Training jobs: their files, outcomes, repeated attempts and logs."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
from typing import Any

import polars as pl
import pytest

from pipeline.bootstrap import Job
from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.errors import TransientError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import CandidateOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec, Limits
from pipeline.jobs.runtime.job import JobContext, run_job
from tests.fakes.planned import RUN, House
from tests.fakes.table import FakeTable
from tests.fakes.tabular import table

KEYS = RunKeys(RUN)
LINEAR = Candidate(name="linear", algorithm="linear")
TREES = Candidate(name="trees", algorithm="gradient_boosting", settings={"n_estimators": 5})
WRONG = Candidate(name="wrong", algorithm="linear", settings={"depth": 3})


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_candidate_writes_its_files_and_the_job_its_outcome() -> None:
    house = House()
    house.plan(LINEAR, TREES)
    assert house.run() == 0
    outcome = house.outcome()
    assert (outcome.status, outcome.device, outcome.error) == ("SUCCEEDED", "cpu", None)
    assert [(one.candidate, one.status) for one in outcome.candidates] == [("linear", "trained"), ("trees", "trained")]
    for name in ("linear", "trees"):
        files = {key.rsplit("/", 1)[-1] for key in house.artifacts.keys(KEYS.candidate(name, ""))}
        assert files == {"model.onnx", "body.onnx", "reference.npz", "out_of_fold.npz", "trained.json"}
        trained = TrainedCandidate.from_bytes(house.artifacts.get(KEYS.candidate(name, "trained.json")))
        assert trained.quality["accuracy"] > 0.5


def test_a_worker_process_writes_and_reports_nothing() -> None:
    house = House()
    house.plan(LINEAR)
    before = set(house.artifacts.keys(""))
    job = Job(artifacts=house.artifacts, runs=house.runs, queue="cpu", attempt=1, process=Process(rank=1, size=2))
    assert (
        run_job(lambda context: context.report("words") or (), ["--run", RUN, "--job", "cpu"], connect=lambda _: job)
        == 0
    )
    assert set(house.artifacts.keys("")) == before
    assert all(stage.progress is None for stage in house.runs.get(RUN).stages)


def test_training_on_fewer_nodes_than_requested_is_reported() -> None:
    house = House()
    house.plan(LINEAR)
    plan = Plan.from_bytes(house.artifacts.get(KEYS.plan))
    jobs = (plan.jobs[0].model_copy(update={"nodes": 3}),)
    house.artifacts.put(KEYS.plan, plan.model_copy(update={"jobs": jobs}).to_bytes())
    house.run()
    trained = TrainedCandidate.from_bytes(house.artifacts.get(KEYS.candidate("linear", "trained.json")))
    assert trained.notes[0].startswith("3 nodes were requested, and 1 trained it")


def test_only_the_candidates_of_the_job_are_trained() -> None:
    house = House()
    house.plan(LINEAR)
    plan = Plan.from_bytes(house.artifacts.get(KEYS.plan))
    other = TrainingJob(name="gpu", queue="gpu", candidates=("trees",))
    both = plan.model_copy(update={"candidates": (LINEAR, TREES), "jobs": (*plan.jobs, other)})
    house.artifacts.put(KEYS.plan, both.to_bytes())
    house.run()
    assert [one.candidate for one in house.outcome().candidates] == ["linear"]


def test_a_failed_candidate_does_not_fail_the_job() -> None:
    house = House()
    house.plan(WRONG, LINEAR)
    assert house.run() == 0
    wrong, linear = house.outcome().candidates
    assert linear.status == "trained"
    assert wrong.error is not None
    assert wrong.error.type == "CandidateFailedError"
    assert "linear has no setting 'depth'" in wrong.error.message


def test_an_exception_of_a_library_fails_only_its_candidate_and_is_not_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    house = House()
    house.plan(LINEAR, TREES)
    rows = table(rows=80)
    secret = rows.splits["train"].with_columns(target=pl.lit("secret"))
    stream = io.BytesIO()
    secret.write_parquet(stream)
    house.artifacts.put(KEYS.split("train"), stream.getvalue())
    assert house.run() == 0
    error = house.outcome().candidates[0].error
    assert error is not None
    assert (error.type, error.message) == ("InternalError", "an unexpected KeyError: the log of this job says where")
    logged = capsys.readouterr().out
    assert "secret" not in logged
    (failed, _) = (line for line in _lines(logged) if line["message"] == "candidate failed")
    assert failed["error"] == "KeyError"
    assert any(place.startswith("trainer.py:") for place in failed["at"])


def test_a_second_attempt_trains_only_the_missing_candidates() -> None:
    house = House()
    house.plan(LINEAR, TREES)
    house.run()
    first = house.outcome().candidates
    before = house.artifacts.head(KEYS.candidate("linear", "trained.json")).version_id
    house.artifacts.delete(KEYS.candidate("trees", "trained.json"))
    assert house.run() == 0
    assert house.artifacts.head(KEYS.candidate("linear", "trained.json")).version_id == before
    assert house.artifacts.head(KEYS.candidate("trees", "trained.json"))
    assert house.outcome().candidates[0] == first[0]


def test_a_spot_interruption_leaves_a_retryable_outcome() -> None:
    def be_interrupted(context: JobContext) -> list[CandidateOutcome]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:  # noqa: BLE001 - as libraries do
            context.report("swallowed")
        return []

    house = House()
    before = signal.getsignal(signal.SIGTERM)
    assert house.run(be_interrupted) == 1
    outcome = house.outcome()
    assert outcome.status == "FAILED"
    assert outcome.retryable
    assert outcome.error is not None
    assert outcome.error.type == "TransientError"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("error", "name", "retryable"),
    [(TransientError("S3 was busy"), "TransientError", True), (MemoryError(), "InternalError", False)],
)
def test_the_outcome_has_the_error_of_the_job(error: Exception, name: str, retryable: bool) -> None:
    def dies(context: JobContext) -> list[CandidateOutcome]:
        raise error

    house = House()
    assert house.run(dies) == 1
    outcome = house.outcome()
    assert outcome.error is not None
    assert (outcome.status, outcome.error.type, outcome.retryable) == ("FAILED", name, retryable)


def test_every_log_line_is_json_and_names_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    house = House()
    house.plan(LINEAR)
    house.run()
    lines = _lines(capsys.readouterr().out)
    assert [line["message"] for line in lines] == ["started", "candidate trained", "finished"]
    assert {(line["run"], line["job"], line["level"]) for line in lines} == {(RUN, "cpu", "INFO")}


def test_progress_is_shown_with_the_stage_of_the_run() -> None:
    house = House()
    house.plan(LINEAR)
    house.run()
    # Which step is shown depends on the time since the last update.
    shown = [stage.progress for stage in house.runs.get(RUN).stages if stage.progress]
    assert len(shown) == 1
    assert shown[0].startswith("linear: ")


def test_a_busy_table_does_not_fail_the_job() -> None:
    class BusyTable(FakeTable):
        def update(self, *args: Any, **kwargs: Any) -> bool:
            raise TransientError("the table was busy")

    house = House(table=BusyTable())
    house.plan(LINEAR)
    assert house.run() == 0


def test_the_outcome_says_that_the_cpu_replaces_a_missing_gpu() -> None:
    house = House(queue="gpu")
    seen = []

    def look(context: JobContext) -> list[CandidateOutcome]:
        seen.append(context.machine.device)
        return []

    house.run(look)
    device = house.outcome().device
    assert (seen, device) == (["cpu"], "cpu, in place of a GPU") or device.startswith("cuda:0 (")


def test_only_the_first_candidate_is_trained_after_the_time_limit() -> None:
    house = House()
    house.plan(LINEAR, TREES, spec=JobSpec(limits=Limits(minutes=1e-9)))
    assert house.run() == 0
    first, second = house.outcome().candidates
    assert (first.status, second.status) == ("trained", "failed")
    assert second.error is not None
    assert "minutes of its job were over" in second.error.message


def test_a_candidate_dropped_by_the_screening_stays_dropped_in_a_later_attempt() -> None:
    house = House()
    bad = Candidate(name="bad", algorithm="random_forest", settings={"n_estimators": 1, "max_depth": 1})
    house.plan(bad, LINEAR, TREES, LINEAR.model_copy(update={"name": "again"}), rows=3_000)
    plan = Plan.from_bytes(house.artifacts.get(KEYS.plan))
    job = plan.jobs[0].model_copy(update={"audition_rows": 700})
    house.artifacts.put(KEYS.plan, plan.model_copy(update={"jobs": (job,)}).to_bytes())
    assert house.run() == 0
    outcomes = {one.candidate: one for one in house.outcome().candidates}
    assert {name: one.status for name, one in outcomes.items()} == {
        "linear": "trained", "trees": "trained", "again": "trained", "bad": "dropped",
    }  # fmt: skip
    assert "on 700 rows its accuracy was" in outcomes["bad"].reason
    house.artifacts.delete(KEYS.candidate("trees", "trained.json"))
    assert house.run() == 0
    assert {one.candidate: one.status for one in house.outcome().candidates} == {
        name: one.status for name, one in outcomes.items()
    }


def test_the_message_of_a_library_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    def warn(context: JobContext) -> list[CandidateOutcome]:
        logging.getLogger("sklearn").warning("unknown category 'secret'")
        return []

    house = House()
    house.plan(LINEAR)
    house.run(warn)
    text = capsys.readouterr().out
    assert "secret" not in text
    assert any(line["message"].startswith("sklearn logged a warning") for line in _lines(text))
