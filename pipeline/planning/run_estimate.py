"""What a whole run will take, told before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.contracts.catalogue import catalogue
from pipeline.contracts.dataset import REFIT_FOLDS, Dataset
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.plan import Plan, TrainingJob
from pipeline.planning.estimates import DOLLARS_AN_HOUR, START_MINUTES, seconds_of

__all__ = ["RunEstimate", "estimate_run"]

_OTHER_MINUTES = 1.0  # validation, compression, evaluation and registration of a table of 20,000 rows


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEstimate:
    """``minutes`` from the upload to a served version; ``dollars`` of all training jobs. Good to a factor of three.

    ``unknown``: candidates whose cost nobody measured, which are not in it.
    """

    minutes: float
    dollars: float
    unknown: tuple[str, ...] = ()


def estimate_run(plan: Plan, dataset: Dataset, spec: JobSpec) -> RunEstimate:
    """Estimate a run on AWS by what its algorithms declare; jobs run side by side, each on a machine that starts."""
    minutes = {job.name: START_MINUTES + _training_minutes(job, plan, dataset, spec) for job in plan.jobs}
    prices = {job.name: DOLLARS_AN_HOUR[job.queue] * job.nodes for job in plan.jobs}
    return RunEstimate(
        minutes=_OTHER_MINUTES + max(minutes.values(), default=0.0),
        dollars=math.fsum(minutes[name] / 60 * price for name, price in prices.items()),
        unknown=tuple(candidate.name for candidate in plan.candidates if catalogue()[candidate.algorithm].cost is None),
    )


def _training_minutes(job: TrainingJob, plan: Plan, dataset: Dataset, spec: JobSpec) -> float:
    """A job ends when its minutes are over."""
    candidates = [candidate for candidate in plan.candidates if candidate.name in job.candidates]
    once = math.fsum(
        seconds_of(catalogue()[candidate.algorithm], dataset, candidate.trials) or 0.0 for candidate in candidates
    )
    seconds = once * (1 + (REFIT_FOLDS if _is_cross_validated(dataset, spec) else 0))
    return min(seconds / 60, job.minutes or spec.limits.minutes)


def _is_cross_validated(dataset: Dataset, spec: JobSpec) -> bool:
    wanted = dataset.few_rows if spec.cross_validate is None else spec.cross_validate
    return wanted and dataset.may_be_dealt and dataset.task != "clustering" and spec.training.privacy is None
