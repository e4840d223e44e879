"""What training and serving will cost, as far as it can be known before: by what the algorithms declare.

Estimates are good to a factor of three; only what is beyond its limit by more than that is left out for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.declaration import Cost, Declaration
from pipeline.contracts.job_spec import Limits
from pipeline.contracts.plan import Trials

__all__ = [
    "DOLLARS_AN_HOUR",
    "PRICES_OF",
    "START_MINUTES",
    "UNSURE",
    "bytes_of",
    "latency_of",
    "minutes_for",
    "seconds_of",
]

UNSURE = 3.0
# The dearest machine that a queue may take by the template, on demand: Spot is about a third of it.
PRICES_OF = "list prices of us-east-1, June 2026"
DOLLARS_AN_HOUR = {"cpu": 0.252, "code": 0.252, "gpu": 0.752}  # r6i.xlarge, g4dn.2xlarge
START_MINUTES = 2.0  # of a machine that is begun and paid for before the job runs on it


@dataclass(frozen=True, slots=True)
class _Shape:
    rows: int
    columns: int
    classes: int


def seconds_of(declared: Declaration, dataset: Dataset, trials: Trials | None) -> float | None:
    """Of training on one thread, its search included; None: unknown."""
    if declared.cost is None:
        return None
    return _once(declared.cost, _shape(dataset)) * (1 + _trainings(trials))


def bytes_of(declared: Declaration, dataset: Dataset) -> float | None:
    """Of the served fp32 file; None: unknown."""
    cost = declared.cost
    if cost is None:
        return None
    shape = _shape(dataset)
    grown = cost.bytes + cost.bytes_per_row * shape.rows * _each_class(cost, shape)
    return min(grown, cost.most_bytes or math.inf)


def latency_of(declared: Declaration) -> float | None:
    """Microseconds of one row on one thread; None: unknown."""
    return None if declared.cost is None else declared.cost.latency_us


def minutes_for(limits: Limits, queues: list[str]) -> float:
    """That each of the jobs on these queues may train, so that all of them together keep ``limits.dollars``."""
    if limits.dollars is None or not queues:
        return limits.minutes
    an_hour = sum(DOLLARS_AN_HOUR[queue] for queue in queues)
    return min(limits.minutes, max(0.0, 60 * limits.dollars / an_hour - START_MINUTES))


def _once(cost: Cost, shape: _Shape) -> float:
    cells = shape.rows * max(1, shape.columns) / 1e6
    return cost.seconds + cost.seconds_per_million_cells * cells * _each_class(cost, shape)


def _each_class(cost: Cost, shape: _Shape) -> int:
    return shape.classes if cost.each_class and shape.classes > 2 else 1


def _trainings(trials: Trials | None) -> float:
    """How many trainings on all rows a search comes to."""
    if trials is None:
        return 0
    if trials.method == "grid":
        count: float = math.prod(3 if not isinstance(among, tuple) else len(among) for among in trials.space.values())
    elif trials.method == "halving":
        count = 1 + math.log(max(1, trials.trials), 3)  # each rung costs about as much as one training
    else:
        count = trials.trials
    return count * (trials.cv or 1)


def _shape(dataset: Dataset) -> _Shape:
    columns = sum(math.prod(column.shape) for column in dataset.columns)  # an image has many, all else has one
    return _Shape(rows=dataset.rows.train, columns=columns, classes=len(dataset.classes))
