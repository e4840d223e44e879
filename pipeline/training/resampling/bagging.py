"""Bagging over folds: a model for each fold, trained on the other rows; together they answer with their mean.

All rows are used, and each model stops by rows that it has not learnt from (Breiman 1996; Erickson et al. 2020,
AutoGluon).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import FittedModel, Problem, Rows
from pipeline.training.resampling.bag_graph import average_fitted_models
from pipeline.training.resampling.folds import make_folds

__all__ = ["bagged"]


def bagged(folds: int, problem: Problem, train: Callable[[Problem, int], FittedModel]) -> FittedModel:
    """``train(problem, fold)`` for each fold, whose ``validation`` are the fold's rows. One fold, or rows that
    may not be dealt to folds: ``problem`` itself.

    At the deadline those there are so far answer, and ``notes`` says so.
    """
    if folds < 2 or not problem.may_be_dealt:
        return train(problem, 0)
    members: list[FittedModel] = []
    notes: tuple[str, ...] = ()
    for number, fold in enumerate(make_folds(problem, folds)):
        if members and time.monotonic() > problem.deadline:
            notes = (f"training time ran out after {number} of {folds} folds; the models of these folds are used",)
            break
        part = replace(problem, train=problem.train.take(fold.train), validation=problem.train.take(fold.held))
        members.append(train(part, number))
    return FittedModel(
        predict=lambda rows: _mean(members, rows),
        body=lambda: average_fitted_models(members, classes=problem.classes),
        notes=(*dict.fromkeys(note for member in members for note in member.notes), *notes),
    )


def _mean(members: list[FittedModel], rows: Rows) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = sum((one.predict(rows).astype(np.float64) for one in members), np.zeros(()))
    return total / len(members)
