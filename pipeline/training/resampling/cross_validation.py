"""What a candidate answers to rows that it has not learnt from, all of them in turn: few rows choose badly.

Of a hundred validation rows, one is a percent: the candidates of a small table are compared by cross-validation.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import NoCheckpoints, Problem, Recipe, Rows
from pipeline.training.resampling.folds import make_folds

__all__ = ["all_rows", "out_of_fold"]

_FOLDS = 5
_EARLY_STOPPING_SHARE = 8  # one in so many of the rows that a fold learns from tells it when to stop

Floats = npt.NDArray[np.floating[Any]]


def all_rows(problem: Problem) -> Rows:
    """Those that train, then those that validate."""
    return problem.train.joined(problem.validation)


def out_of_fold(recipe: Recipe, settings: Mapping[str, Any], problem: Problem) -> Floats | None:
    """Answers to all_rows, as Fitted.predict has them; None when the time is over before, or the rows do not do.

    The rows of a fold neither train nor stop the model that answers them.
    """
    rows = all_rows(problem)
    found: Floats | None = None
    for number, outer in enumerate(make_folds(replace(problem, train=rows), _FOLDS)):
        if time.monotonic() > problem.deadline:
            return None
        problem.report(f"cross-validation, fold {number + 1} of {_FOLDS}")
        rest = replace(
            problem,
            train=rows.take(outer.train),
            checkpoints=NoCheckpoints(),
            watch=_unwatched,
            report=_unreported,
        )
        inner = make_folds(replace(rest, seed=problem.seed + number), _EARLY_STOPPING_SHARE)[0]
        fold = replace(rest, train=rest.train.take(inner.train), validation=rest.train.take(inner.held))
        answers = recipe.train(settings, fold).predict(rows.take(outer.held))
        if found is None:
            found = np.full((len(rows), *answers.shape[1:]), np.nan)
        found[outer.held] = answers
    # The only row of a class is in no fold: nothing says what would be answered to it.
    return None if found is None or np.isnan(found).any() else found


def _unwatched(point: Mapping[str, float]) -> None:
    """A fold's curve is not the candidate's."""


def _unreported(text: str) -> None:
    """The fold itself is said."""
