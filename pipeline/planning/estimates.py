"""Estimate the cost of training and serving from the costs that the algorithms declare.

Estimates are good to a factor of three; a candidate is dropped only if it exceeds a limit by more than that.
"""

from __future__ import annotations

import math

from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.contracts.records.dataset import Dataset, can_bag
from pipeline.contracts.records.plan import Trials
from pipeline.contracts.spec.job_spec import JobSpec, Limits

__all__ = [
    "DOLLARS_AN_HOUR",
    "ENSEMBLE_RATIO",
    "ESTIMATE_TOLERANCE",
    "PRICE_SOURCE",
    "START_MINUTES",
    "bytes_of",
    "cells_of",
    "count_trainings",
    "latency_of",
    "minutes_for",
    "seconds_of",
    "start_dollars",
]

ESTIMATE_TOLERANCE = 3.0
ENSEMBLE_RATIO = 0.25  # minutes of the ensemble job divided by those of a training job, if dollars are limited
# On-demand prices of the most expensive machine that the template allows in a queue; Spot costs about a third of them.
PRICE_SOURCE = "list prices of us-east-1, June 2026"
# r6i.xlarge; g4dn.2xlarge; Fargate: 4 vCPUs at $0.04048 and 8 GB at $0.004445
DOLLARS_AN_HOUR = {"cpu": 0.252, "code": 0.252, "gpu": 0.752, "fargate": 0.1975}
# From a job's submission until it runs. The machine is paid for in this time; on Fargate it includes the image's pull.
START_MINUTES = {"cpu": 2.0, "code": 2.0, "gpu": 2.0, "fargate": 1.0}
# With more columns, time grows with their square root: a split of a forest considers only the square root, boosting
# uses coarser bins, and only the first layer of a network grows. With 1,000 columns the estimate is still 3 to 20 times
# the measured time.
_MANY_COLUMNS = 100
_MICROSECONDS_PER_COLUMN = 0.9  # 1.7 ms for 2,000 inputs, measured 2026-11-30 on one thread of a 2-core EPYC


def seconds_of(declared: AlgorithmSpec, dataset: Dataset, spec: JobSpec, trials: Trials | None = None) -> float | None:
    """Estimate the seconds of training on one thread, including folds and a search; None: unknown.

    Args:
        declared: The algorithm.
        dataset: The data set.
        spec: JobSpec, which sets the number of folds.
        trials: Search of the algorithm's settings; None: there is none.
    """
    if declared.cost is None:
        return None
    trainings = count_trainings(declared, dataset, spec) + _trainings(trials)
    return _targets(dataset) * _single_training(declared.cost, dataset) * trainings


def bytes_of(declared: AlgorithmSpec, dataset: Dataset) -> float | None:
    """Estimate the bytes of the served fp32 file; None: unknown."""
    cost = declared.cost
    if cost is None:
        return None
    grown = cost.bytes + cost.bytes_per_row * dataset.rows.train * _each_class(cost, dataset)
    return _targets(dataset) * min(grown, cost.most_bytes or math.inf)


def latency_of(declared: AlgorithmSpec, dataset: Dataset) -> float | None:
    """Estimate the microseconds of one row on one thread, including the input of each column; None: unknown."""
    if declared.cost is None:
        return None
    return declared.cost.latency_us + _MICROSECONDS_PER_COLUMN * len(dataset.columns)


def minutes_for(limits: Limits, queues: list[str], *, has_ensemble: bool = False) -> float:
    """Return the minutes that each job on these queues may train, so that their sum keeps ``limits.dollars``.

    Args:
        limits: Limits of the spec.
        queues: Queues of the jobs that train candidates.
        has_ensemble: Whether an ensemble job follows on the CPU queue, with ENSEMBLE_RATIO times these minutes.
    """
    if limits.dollars is None or not queues:
        return limits.minutes
    a_minute = sum(DOLLARS_AN_HOUR[queue] for queue in queues) / 60
    if has_ensemble:
        a_minute += ENSEMBLE_RATIO * DOLLARS_AN_HOUR["cpu"] / 60
    starts = sum(map(start_dollars, [*queues, *["cpu"] * has_ensemble]))
    return min(limits.minutes, max(0.0, (limits.dollars - starts) / a_minute))


def start_dollars(queue: str) -> float:
    """Return the dollars that a machine costs from the submission of a job until it runs."""
    return DOLLARS_AN_HOUR[queue] / 60 * START_MINUTES[queue]


def count_trainings(declared: AlgorithmSpec, dataset: Dataset, spec: JobSpec) -> int:
    """Count a candidate's trainings: one for each fold of its bag and for its refit, or one (training.trainer)."""
    training = spec.training
    alone = declared.has_user_code or training.privacy or training.base_model or training.parallel.nodes > 1
    if alone or not can_bag(dataset) or spec.folds == 1:
        return 1
    return spec.folds + (spec.serve == "single" or dataset.split_by == "time")


def cells_of(dataset: Dataset) -> int:
    """Return training rows times columns; every pixel and channel of an image is a column."""
    return dataset.rows.train * _columns(dataset)


def _columns(dataset: Dataset) -> int:
    return max(1, sum(math.prod(column.shape) for column in dataset.columns))  # any column but an image counts as one


def _single_training(cost: Cost, dataset: Dataset) -> float:
    columns: float = _columns(dataset)
    if columns > _MANY_COLUMNS and all(column.kind != "image" for column in dataset.columns):
        columns = _MANY_COLUMNS * math.sqrt(columns / _MANY_COLUMNS)
    cells = dataset.rows.train * columns / 1e6
    return cost.seconds + cost.seconds_per_million_cells * cells * _each_class(cost, dataset)


def _each_class(cost: Cost, dataset: Dataset) -> int:
    is_repeated = cost.each_class and len(dataset.classes) > 2 and not dataset.is_multilabel
    return len(dataset.classes) if is_repeated else 1


def _trainings(trials: Trials | None) -> float:
    """Return the number of trainings on all rows that cost as much as a search."""
    if trials is None:
        return 0
    if trials.method == "grid":
        count: float = math.prod(len(among) if isinstance(among, tuple) else 3 for among in trials.space.values())
    elif trials.method == "halving":
        count = 1 + math.log(max(1, trials.trials), 3)  # each rung costs about as much as one training
    else:
        count = trials.trials
    return count * (trials.cv or 1)


def _targets(dataset: Dataset) -> int:
    """Return the number of targets, each of which is trained separately."""
    return max(1, len(dataset.targets))
