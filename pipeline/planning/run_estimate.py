"""Estimate the duration and cost of a run before it starts, and compute the cost of its jobs afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.estimate import Estimate
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.estimates import DOLLARS_AN_HOUR, START_MINUTES, seconds_of

__all__ = ["costs_of", "estimate_run"]

_ENSEMBLE_MINUTES = 0.75  # for a blend, and two distilled models that learn from at most 150,000 rows
_OTHER_MINUTES = 1.0  # validation, compression, evaluation and registration of a table of 20,000 rows


def estimate_run(plan: Plan, dataset: Dataset, spec: JobSpec) -> Estimate:
    """Estimate a run on AWS from the costs that its algorithms declare; jobs run in parallel, each on a new machine."""
    queues = {job.name: "fargate" if plan.one_job else job.queue for job in plan.jobs}
    minutes = {
        job.name: START_MINUTES[queues[job.name]] + _training_minutes(job, plan, dataset, spec) for job in plan.jobs
    }
    prices = {job.name: DOLLARS_AN_HOUR[queues[job.name]] * job.nodes for job in plan.jobs}
    ensemble = 0.0
    if plan.ensemble is not None and not plan.one_job:
        ensemble = START_MINUTES["cpu"] + min(_ENSEMBLE_MINUTES, plan.ensemble.minutes or spec.limits.minutes)
    return Estimate(
        minutes=_OTHER_MINUTES + ensemble + max(minutes.values(), default=0.0),
        dollars=math.fsum(minutes[name] / 60 * price for name, price in prices.items())
        + ensemble / 60 * DOLLARS_AN_HOUR["cpu"],
        unknown=tuple(candidate.name for candidate in plan.candidates if catalog()[candidate.algorithm].cost is None),
    )


def costs_of(outcomes: Sequence[JobOutcome], plan: Plan) -> list[float]:
    """Return the dollars of each finished job, from on-demand prices and its seconds on all of its nodes."""
    training = {job.name: job for job in plan.jobs}
    on_fargate = plan.one_job and len(outcomes) == 1  # with a separate compress job, the training ran on the CPU queue

    def dollars(outcome: JobOutcome) -> float:
        job = training.get(outcome.job)
        queue = job.queue if job and outcome.device != "cpu" else "cpu"  # a GPU job without a machine runs on a CPU
        an_hour = DOLLARS_AN_HOUR["fargate" if on_fargate else queue]
        return round(outcome.seconds * (job.nodes if job else 1) * an_hour / 3600, 4)

    return [dollars(outcome) for outcome in outcomes]


def _training_minutes(job: TrainingJob, plan: Plan, dataset: Dataset, spec: JobSpec) -> float:
    """Return the estimated minutes of a job's training, at most its limit."""
    seconds = math.fsum(
        seconds_of(catalog()[candidate.algorithm], dataset, spec, candidate.trials) or 0.0
        for candidate in plan.candidates
        if candidate.name in job.candidates
    )
    return min(seconds / 60, job.minutes or spec.limits.minutes)
