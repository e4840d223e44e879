"""The algorithm selection: what to train for this data, and what not, with reasons."""

from __future__ import annotations

from typing import get_args

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.job_spec import JobSpec, check_metric, default_metric
from pipeline.contracts.plan import Algorithm, Candidate, Plan, Skipped, TrainingJob
from pipeline.planning.settings import settings_for

__all__ = ["plan"]

_ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

_REASONS: dict[Algorithm, str] = {
    "linear": "the floor that the others must beat; small and fast",
    "random_forest": "robust without tuning, good at interactions",
    "gradient_boosting": "most often the best on tables; stops when the validation rows no longer improve",
    "mlp": "a network with embeddings for categories; it can be quantized to int8",
}
# Fewer training rows than these, and an algorithm overfits or has nothing to stop on.
_LEAST_ROWS: dict[Algorithm, int] = {"linear": 1, "random_forest": 1, "gradient_boosting": 50, "mlp": 100}
# A forest keeps a number a class in each leaf, boosting grows a tree a class each round: size and time go with classes.
_MOST_CLASSES: dict[Algorithm, int] = {"linear": 1000, "random_forest": 100, "gradient_boosting": 50, "mlp": 1000}
# Weights of a linear model over one-hot categories; above it one solver step takes seconds.
_MOST_LINEAR_WEIGHTS = 5_000_000
_GPU: frozenset[Algorithm] = frozenset({"mlp"})


def plan(dataset: Dataset, spec: JobSpec) -> Plan:
    """Choose the candidates for ``dataset`` among ``spec.algorithms`` (None: all).

    What was asked for by name is tried with few rows too. Raise InvalidJobSpecError when the metric does not measure
    the task, or no algorithm fits.
    """
    metric = check_metric(spec.metric or default_metric(dataset.task), dataset.task)
    wanted = tuple(dict.fromkeys(spec.algorithms or _ALGORITHMS))
    skipped = tuple(
        Skipped(algorithm=one, reason=why)
        for one in wanted
        if (why := _why_not(one, dataset, asked=bool(spec.algorithms)))
    )
    left = {one.algorithm for one in skipped}
    candidates = tuple(_candidate(one, dataset, spec) for one in wanted if one not in left)
    if not candidates:
        reasons = "; ".join(f"{one.algorithm}: {one.reason}" for one in skipped)
        raise InvalidJobSpecError(f"none of the algorithms fits this data set ({reasons})")
    return Plan(metric=metric, candidates=candidates, jobs=_jobs(candidates), skipped=skipped, seed=spec.seed)


def _candidate(algorithm: Algorithm, dataset: Dataset, spec: JobSpec) -> Candidate:
    return Candidate(
        name=algorithm,
        algorithm=algorithm,
        settings=settings_for(algorithm, dataset, spec.training),
        reason=_REASONS[algorithm],
    )


def _why_not(algorithm: Algorithm, dataset: Dataset, *, asked: bool) -> str | None:
    classes, most = len(dataset.classes), _MOST_CLASSES[algorithm]
    if classes > most:
        return f"{classes:,} classes, {most:,} are its most"
    rows, least = dataset.rows.train, _LEAST_ROWS[algorithm]
    if rows < least and not asked:
        return f"{rows:,} training rows, {least:,} are its least"
    if algorithm == "linear" and (weights := _linear_weights(dataset)) > _MOST_LINEAR_WEIGHTS:
        return f"{weights:,} weights over one-hot categories and classes, {_MOST_LINEAR_WEIGHTS:,} are its most"
    return None


def _linear_weights(dataset: Dataset) -> int:
    # A category has a column of its own for each value, one for missing and one for unknown.
    width = sum(len(column.vocabulary) + 2 if column.kind == "categorical" else 1 for column in dataset.columns)
    return width * max(1, len(dataset.classes))


def _jobs(candidates: tuple[Candidate, ...]) -> tuple[TrainingJob, ...]:
    cpu = tuple(one.name for one in candidates if one.algorithm not in _GPU)
    gpu = tuple(one.name for one in candidates if one.algorithm in _GPU)
    jobs = (
        TrainingJob(name="cpu", queue="cpu", candidates=cpu),
        TrainingJob(name="gpu", queue="gpu", candidates=gpu),
    )
    return tuple(job for job in jobs if job.candidates)
