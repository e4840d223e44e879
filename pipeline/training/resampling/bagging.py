"""Bagging over folds: a model for each fold, trained on the other rows; together they predict their mean.

All rows are used, each model stops by rows that it has not learned from, and its predictions for these are the
candidate's out-of-fold predictions (Breiman 1996; Erickson et al. 2020, AutoGluon).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import FittedModel, RunContext, TrainingTask
from pipeline.training.resampling.bag_graph import average_fitted_models
from pipeline.training.resampling.fold_checkpoints import BagCheckpoints
from pipeline.training.resampling.folds import Fold

__all__ = ["Bag", "average_models", "refit", "train_bag"]

_REFIT = -1  # what the checkpoint calls the training on all rows

Train = Callable[[TrainingTask, RunContext], FittedModel]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bag:
    """Fold models and their predictions for the rows that they have not learned from.

    ``out_of_fold`` [rows, ...]: as FittedModel.predict has them, NaN for rows that no model held out. ``checkpoints``:
    those of its folds.
    """

    members: tuple[FittedModel, ...]
    out_of_fold: Floats
    notes: tuple[str, ...] = ()
    checkpoints: BagCheckpoints | None = None


def train_bag(  # noqa: PLR0913 - what is trained, on what, and how
    folds: Sequence[Fold],
    task: TrainingTask,
    context: RunContext,
    train: Train,
    take: Callable[[Fold], tuple[Any, Any]] | None = None,
    *,
    is_refit: bool = False,
) -> Bag:
    """Train a model for each fold, whose ``validation`` are the fold's rows.

    Each fold gets its share of the time that is left. At the deadline the models so far make the bag, which ``notes``
    says; there is at least one.

    Args:
        folds: Of the training rows.
        task: Its ``train`` are all rows; ``validation`` is not looked at.
        context: Of the whole bag; each fold has its share of the time, and its own checkpoints.
        train: Trains on one fold.
        take: The rows of a fold that train and those that are held out; None: taken from ``task.train``.
        is_refit: A refit follows, which has a share of the time as each fold has.
    """
    rows, checkpoints = task.train, BagCheckpoints(context.checkpoints)
    members: list[FittedModel] = []
    out_of_fold: Floats | None = None
    notes: tuple[str, ...] = ()
    for number, fold in enumerate(folds):
        now = time.monotonic()
        if members and now > context.deadline:
            notes = (f"training time ran out after {number} of {len(folds)} folds; the models of these folds are used",)
            break
        learned, held = take(fold) if take else (rows.take(fold.train), rows.take(fold.held))
        model = train(
            replace(task, train=learned, validation=held, seed=task.seed + number),
            replace(
                context,
                deadline=now + (context.deadline - now) / (len(folds) + is_refit - number),
                checkpoints=checkpoints.of_fold(number),
                report=_numbered_report(context, number, len(folds)),
                watch=_numbered_watch(context, number),
            ),
        )
        predicted = model.predict(held)
        if out_of_fold is None:
            out_of_fold = np.full((len(rows), *predicted.shape[1:]), np.nan)
        out_of_fold[fold.held] = predicted
        members.append(model)
    assert out_of_fold is not None, "at least one fold is trained"
    return Bag(members=tuple(members), out_of_fold=out_of_fold, notes=notes, checkpoints=checkpoints)


def refit(bag: Bag, task: TrainingTask, context: RunContext, train: Train) -> FittedModel:
    """Train one model on all rows, with what the fold models found by the rows that they held out.

    Where time splits the rows the last fold model, which learned from the most of them, tells; else the median.

    Args:
        bag: The fold models.
        task: Its ``train`` are all rows.
        context: Of the whole bag.
        train: Trains on them.
    """
    tuned_of_folds = [member.tuned for member in bag.members]
    tuned = tuned_of_folds[-1] if task.train.time is not None else _medians(tuned_of_folds)
    tuned_text = ", ".join(f"{name} {value:.4g}" for name, value in tuned.items())
    note = "one model, refit on all rows, is served: the metrics are those of its fold models"
    model = train(
        replace(task, tuned=tuned),
        replace(
            context,
            checkpoints=bag.checkpoints.of_fold(_REFIT) if bag.checkpoints else context.checkpoints,
            report=lambda text: context.report(f"refit on all rows, {text}"),
            watch=lambda point: context.watch({"fold": len(bag.members) + 1, **point}),
        ),
    )
    return replace(model, notes=(*model.notes, f"{note} ({tuned_text}, as these found)" if tuned_text else note))


def _medians(tuned_of_folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.median([tuned[name] for tuned in tuned_of_folds])) for name in tuned_of_folds[0]}


def average_models(members: Sequence[FittedModel], classes: int) -> FittedModel:
    """Return the model that predicts the mean of what ``members`` predict.

    Args:
        members: Fold models of one algorithm. The weights of the first are the checkpoint that another training may
            begin from.
        classes: Number of classes; 0: they predict values.
    """
    first = members[0]

    def predict(rows: Any) -> Floats:
        total = sum((member.predict(rows).astype(np.float64) for member in members), np.zeros(()))
        mean: Floats = total / len(members)
        return mean

    return FittedModel(
        predict=predict,
        body=lambda: average_fitted_models(members, classes=classes),
        history=tuple(
            {"fold": number + 1, **point} for number, member in enumerate(members) for point in member.history
        ),
        weights=first.weights,
        notes=tuple(dict.fromkeys(note for member in members for note in member.notes)),
        quantiles=first.quantiles,
    )


def _numbered_report(context: RunContext, number: int, count: int) -> Callable[[str], None]:
    return lambda text: context.report(f"fold {number + 1} of {count}, {text}")


def _numbered_watch(context: RunContext, number: int) -> Callable[[Any], None]:
    return lambda point: context.watch({"fold": number + 1, **point})
