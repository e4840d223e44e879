"""Estimates of the minutes and the dollars of a run."""

from __future__ import annotations

import pytest

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.estimate import Estimate
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec, Limits
from pipeline.planning.estimates import DOLLARS_AN_HOUR
from pipeline.planning.plan import plan
from pipeline.planning.run_estimate import costs_of, estimate_run


def _dataset(rows: int, columns: int = 10) -> Dataset:
    profiles = tuple(ColumnProfile(name=f"x{i}", kind="numeric", missing=0, distinct=rows) for i in range(columns))
    split = SplitRows(train=rows, validation=rows // 8, test=rows // 8)
    return Dataset(task="regression", target="y", columns=profiles, rows=split, sha256="a" * 64)


def _estimate(rows: int, spec: JobSpec) -> Estimate:
    estimate = plan(_dataset(rows), spec).estimate
    assert estimate is not None
    return estimate


def test_a_run_takes_longer_and_costs_more_with_more_rows() -> None:
    small, large = _estimate(5_000, JobSpec()), _estimate(500_000, JobSpec())
    assert 0 < small.minutes < large.minutes
    assert 0 < small.dollars < large.dollars


def test_the_estimate_grows_with_the_folds() -> None:
    spec = JobSpec(algorithms=("gradient_boosting",))
    once = _estimate(1_000, spec.model_copy(update={"folds": 1}))
    assert _estimate(1_000, spec).minutes > once.minutes


def test_no_job_takes_longer_than_its_limit() -> None:
    spec = JobSpec(limits=Limits(minutes=2))
    assert _estimate(5_000_000, spec).minutes <= 2 + 3  # the start of a machine and the other stages


def test_parallel_jobs_add_dollars_but_hardly_any_minutes() -> None:
    one_job = _estimate(400_000, JobSpec(algorithms=("linear",), blend=False))
    two_jobs = _estimate(400_000, JobSpec(algorithms=("linear", "mlp"), blend=False))
    assert two_jobs.dollars > 2 * one_job.dollars
    assert two_jobs.minutes == pytest.approx(one_job.minutes, abs=5)


def _outcome(job: str, device: str = "cpu", seconds: float = 3600) -> JobOutcome:
    return JobOutcome(job=job, status="SUCCEEDED", device=device, seconds=seconds)


def test_a_job_costs_the_price_of_its_machine() -> None:
    jobs = (
        TrainingJob(name="cpu", queue="cpu", candidates=("a",)),
        TrainingJob(name="gpu", queue="gpu", candidates=("b",), nodes=2),
    )
    planned = Plan(metric="accuracy", candidates=(), jobs=jobs)
    cpu, gpu = DOLLARS_AN_HOUR["cpu"], DOLLARS_AN_HOUR["gpu"]
    ran = [_outcome("cpu"), _outcome("gpu", device="cuda:0 (T4)"), _outcome("compress", seconds=360)]
    assert costs_of(ran, planned) == pytest.approx([cpu, 2 * gpu, cpu / 10], abs=1e-4)
    assert costs_of([_outcome("gpu")], planned) == pytest.approx([2 * cpu])  # the job ran on a CPU machine


def test_a_small_plan_costs_fargate_prices_unless_it_continued_on_the_cpu_queue() -> None:
    job = TrainingJob(name="cpu", queue="cpu", candidates=("a",))
    small = Plan(metric="accuracy", candidates=(), jobs=(job,), one_job=True)
    assert costs_of([_outcome("cpu")], small) == [DOLLARS_AN_HOUR["fargate"]]
    assert costs_of([_outcome("cpu"), _outcome("compress")], small)[0] == DOLLARS_AN_HOUR["cpu"]


def test_a_small_run_starts_sooner_and_costs_less_than_on_ec2() -> None:
    dataset = _dataset(500)
    planned = plan(dataset, JobSpec())
    small = estimate_run(planned, dataset, JobSpec())
    large = estimate_run(planned.model_copy(update={"one_job": False}), dataset, JobSpec())
    assert planned.one_job
    assert small.minutes == pytest.approx(large.minutes - 1 - 2.75), (
        "without the start of a machine and the ensemble job"
    )
    assert small.dollars < 0.8 * large.dollars
