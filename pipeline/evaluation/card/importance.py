"""Permutation importance: the loss of the served file's metric when a column is shuffled."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pipeline.contracts.records.evaluation_report import PermutationImportance
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.scoring import Feeds

__all__ = ["importance"]

_MAX_ROWS = 2000
_REPEATS = 3


def importance(
    evaluation: HoldoutEvaluation, *, seconds: float, now: Callable[[], float] = time.monotonic
) -> tuple[PermutationImportance, ...]:
    """Measure the permutation importance of each column except images, on at most 2,000 rows; the greatest first.

    After ``seconds`` no further column is measured, and the result has only the columns measured so far.

    References:
        Breiman 2001, Random Forests.
    """
    end = now() + seconds
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(len(evaluation.truth))[:_MAX_ROWS])
    feeds, truth = {name: values[chosen] for name, values in evaluation.rows.items()}, evaluation.truth[chosen]

    weight, metric = evaluation.weight_of(chosen), evaluation.metric

    def quality(shuffled: Feeds) -> float:
        predictions = evaluation.served.run(shuffled)
        return evaluation.sign * measure(evaluation.signature, truth, predictions, weight=weight, only=metric)[metric]

    baseline = quality(feeds)
    importances: list[PermutationImportance] = []
    for column in evaluation.signature.columns:
        if column.kind == "image":
            continue
        if importances and now() > end:
            break
        drops = [
            baseline - quality({**feeds, column.name: feeds[column.name][random.permutation(len(truth))]})
            for _ in range(_REPEATS)
        ]
        importances.append(
            PermutationImportance(column=column.name, drop=float(np.mean(drops)), spread=float(np.std(drops)))
        )
    return tuple(sorted(importances, key=lambda entry: -entry.drop))
