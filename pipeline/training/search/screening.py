"""Screening: train all candidates of a job on few rows first, and reject those that are far behind the best.

This is one rung of successive halving (Jamieson and Talwalkar 2016). Since learning curves may cross, only candidates
that are far behind are rejected, and the two best always remain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.training.algorithm import Algorithm, FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.search.trial_data import sample

__all__ = ["Scorer", "screen_candidates"]

Scorer = Callable[[FittedModel, Rows], tuple[float, tuple[float, float]]]  # the plan's metric and its 95 % interval

_REJECT_HALF_WIDTHS = 2.0  # reject if the distance to the best exceeds this many sums of both interval half-widths
_MIN_SURVIVORS = 2  # number of candidates that always remain
_TIME_FRACTION = 0.1  # fraction of the remaining time for the screening of all candidates

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _ScreenResult:
    """The result of a candidate on the sample.

    Args:
        candidate: Name of the candidate.
        quality: The metric, negated if lower is better.
        half: Half of the width of the metric's 95 % interval.
    """

    candidate: str
    quality: float
    half: float


def screen_candidates(
    candidates: Sequence[tuple[Candidate, Algorithm[Any]]],
    task: TrainingTask,
    context: RunContext,
    rows: int,
    score: Scorer,
) -> Mapping[str, str]:
    """Train candidates on a sample of the rows; return the reason of each rejected one by name.

    A candidate whose training fails on the sample is not rejected: the training on all rows decides.

    Args:
        candidates: Candidates and their algorithms.
        task: The task with all rows.
        context: Context of the job; screening uses a tenth of the time until its deadline.
        rows: Number of training rows, and of validation rows, of the sample.
        score: Measures the plan's metric.

    Raises:
        CandidateFailedError: A candidate's settings are invalid.
    """
    sampled_task = replace(
        task,
        train=sample(task.train, rows / len(task.train), classes=task.classes, seed=task.seed),
        validation=sample(task.validation, rows / len(task.validation), classes=task.classes, seed=task.seed),
    )
    unobserved = context.without_observers()
    seconds_per_candidate = (context.deadline - context.clock()) * _TIME_FRACTION / len(candidates)
    sign = 1 if greater_is_better(task.metric) else -1
    results = []
    for candidate, algorithm in candidates:
        context.report(f"{candidate.name}: on {len(sampled_task.train):,} rows first")
        config = algorithm.configure(candidate.settings)
        try:
            until = context.clock() + seconds_per_candidate
            fitted = algorithm.train(config, sampled_task, replace(unobserved, deadline=until))
            quality, (low, high) = score(fitted, sampled_task.validation)
        except Exception as error:  # noqa: BLE001 - libraries raise anything; training on all rows decides
            _log.warning("a candidate was not screened", extra={"candidate": candidate.name}, exc_info=error)
            continue
        results.append(_ScreenResult(candidate=candidate.name, quality=sign * quality, half=(high - low) / 2))
    return _reject_dominated(results, rows=len(sampled_task.train), metric=task.metric)


def _reject_dominated(results: Sequence[_ScreenResult], *, rows: int, metric: str) -> dict[str, str]:
    ranked = sorted(results, key=lambda result: result.quality, reverse=True)
    return {
        result.candidate: (
            f"on {rows:,} rows its {metric} was {abs(result.quality):.4g}, and that of the best candidate "
            f"({ranked[0].candidate}) was {abs(ranked[0].quality):.4g}: the difference exceeds "
            f"{_REJECT_HALF_WIDTHS:g} times the sum of the half-widths of both 95 % intervals"
        )
        for result in ranked[_MIN_SURVIVORS:]
        if ranked[0].quality - result.quality > _REJECT_HALF_WIDTHS * (result.half + ranked[0].half)
    }
