"""Rows in folds, each of which is held out in its turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import Problem

__all__ = ["fold_masks"]


def fold_masks(problem: Problem, folds: int) -> Iterator[npt.NDArray[np.bool_]]:
    """Which rows each holds: stratified by class, or by the target's order; every class keeps a row in each rest."""
    target = problem.train.target
    random = np.random.default_rng(problem.seed)
    order = np.lexsort((random.random(len(target)), target))
    fold = np.empty(len(target), np.int64)
    if problem.classes:
        fold[order] = np.arange(len(target)) % folds
    else:  # the rows that are next to each other go to the folds in random order
        dealt = np.argsort(random.random((-(-len(target) // folds), folds)), axis=1).ravel()
        fold[order] = dealt[: len(target)]
    alone = (
        np.isin(target, np.flatnonzero(np.bincount(target) == 1)) if problem.classes else np.zeros(len(target), bool)
    )
    for number in range(folds):
        yield (fold == number) & ~alone
