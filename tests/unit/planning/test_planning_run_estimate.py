"""What a run is estimated to take."""

from __future__ import annotations

import pytest

from pipeline.contracts.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.job_spec import JobSpec, Limits
from pipeline.planning.plan import plan
from pipeline.planning.run_estimate import RunEstimate, estimate_run


def _dataset(rows: int, columns: int = 10) -> Dataset:
    profiles = tuple(ColumnProfile(name=f"x{i}", kind="numeric", missing=0, distinct=rows) for i in range(columns))
    split = SplitRows(train=rows, validation=rows // 8, test=rows // 8)
    return Dataset(task="regression", target="y", columns=profiles, rows=split, sha256="a" * 64)


def _estimate(rows: int, spec: JobSpec) -> RunEstimate:
    dataset = _dataset(rows)
    return estimate_run(plan(dataset, spec), dataset, spec)


def test_a_run_takes_longer_and_costs_more_with_more_rows() -> None:
    small, large = _estimate(5_000, JobSpec()), _estimate(500_000, JobSpec())
    assert 0 < small.minutes < large.minutes
    assert 0 < small.dollars < large.dollars


def test_cross_validation_is_counted() -> None:
    spec = JobSpec(algorithms=("gradient_boosting",))
    once = _estimate(1_000, spec.model_copy(update={"cross_validate": False}))
    assert _estimate(1_000, spec).minutes > once.minutes


def test_no_job_takes_longer_than_its_limit() -> None:
    spec = JobSpec(limits=Limits(minutes=2))
    assert _estimate(5_000_000, spec).minutes <= 2 + 3  # a machine's start, and the other stages


def test_jobs_run_side_by_side_and_each_is_paid_for() -> None:
    alone = _estimate(400_000, JobSpec(algorithms=("linear",)))
    beside = _estimate(400_000, JobSpec(algorithms=("linear", "mlp")))
    assert beside.dollars > 2 * alone.dollars
    assert beside.minutes == pytest.approx(alone.minutes, abs=5)
