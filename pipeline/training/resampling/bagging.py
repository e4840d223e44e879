"""Bagging over folds: one model per fold, trained on the rows of the other folds; the bag predicts the models' mean.

The held-out rows of a fold serve early stopping of its model, and the model's predictions for them are the candidate's
out-of-fold predictions.

References:
    Breiman 1996, Bagging Predictors; Erickson et al. 2020, AutoGluon-Tabular (bagging over folds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import FittedModel, RunContext, TrainingTask
from pipeline.training.resampling.fold_checkpoints import BagCheckpoints
from pipeline.training.resampling.folds import Fold

if TYPE_CHECKING:
    import onnx

__all__ = ["AverageableBody", "Bag", "Train", "average_fitted_models", "average_models", "refit", "train_bag"]

_REFIT = -1  # fold number of the refit on all rows in the checkpoints

Train = Callable[[TrainingTask, RunContext], FittedModel]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bag:
    """Fold models and their out-of-fold predictions.

    Args:
        members: The fold models.
        out_of_fold: Prediction for each row [rows, ...] by the fold model that held it out; NaN if none did.
        notes: Notes for the model card.
        checkpoints: Checkpoints of the folds.
    """

    members: tuple[FittedModel, ...]
    out_of_fold: Floats
    notes: tuple[str, ...]
    checkpoints: BagCheckpoints


def train_bag(  # noqa: PLR0913 - folds, task, context and how to train
    folds: Sequence[Fold],
    task: TrainingTask,
    context: RunContext,
    train: Train,
    take: Callable[[Fold], tuple[Any, Any]] | None = None,
    *,
    is_refit: bool = False,
) -> Bag:
    """Train a model for each fold, with the fold's rows held out as ``validation``.

    Each fold has an equal share of the remaining time. After the deadline, the bag consists of the models trained so
    far, at least one, and a note says so.

    Args:
        folds: Folds of ``task.train``.
        task: The task with all rows in ``train``; its ``validation`` is not used.
        context: Context of the whole bag.
        train: Trains a model.
        take: Returns training and held-out rows of a fold; None: they are selected from ``task.train``.
        is_refit: Whether a refit follows, which needs as much time as a fold.

    Raises:
        CandidateFailedError: ``train`` raises it for a fold.
    """
    rows, checkpoints = task.train, BagCheckpoints(context.checkpoints, context.clock)
    members: list[FittedModel] = []
    out_of_fold: Floats | None = None
    notes: tuple[str, ...] = ()
    for number, fold in enumerate(folds):
        now = context.clock()
        if members and now > context.deadline:
            notes = (f"training time ran out after {number} of {len(folds)} folds; the models of these folds are used",)
            break
        learned, held = take(fold) if take else (rows.take(fold.train), rows.take(fold.held))
        model = train(
            replace(task, train=learned, validation=held, seed=task.seed + number),
            replace(
                context.numbered(f"fold {number + 1} of {len(folds)}", number + 1),
                deadline=now + (context.deadline - now) / (len(folds) + is_refit - number),
                checkpoints=checkpoints.of_fold(number),
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
    """Train one model on all rows, with the settings that the fold models chose on their held-out rows.

    The settings are the medians over the folds; if rows are split by time, those of the last fold, which has the most
    training rows.

    Args:
        bag: The fold models.
        task: The task with all rows in ``train``.
        context: Context of the whole bag.
        train: Trains a model.

    Raises:
        CandidateFailedError: ``train`` raises it.
    """
    tuned_of_folds = [member.tuned for member in bag.members]
    tuned = tuned_of_folds[-1] if task.train.time is not None else _medians(tuned_of_folds)
    tuned_text = ", ".join(f"{name} {value:.4g}" for name, value in tuned.items())
    note = "one model, refit on all rows, is served: the metrics are those of its fold models"
    model = train(
        replace(task, tuned=tuned),
        replace(
            context.numbered("refit on all rows", len(bag.members) + 1), checkpoints=bag.checkpoints.of_fold(_REFIT)
        ),
    )
    return replace(model, notes=(*model.notes, f"{note} ({tuned_text}, as these found)" if tuned_text else note))


def _medians(tuned_of_folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.median([tuned[name] for tuned in tuned_of_folds])) for name in tuned_of_folds[0]}


def average_models(members: Sequence[FittedModel], classes: int) -> FittedModel:
    """Return a model that predicts the mean of the predictions of ``members``.

    Args:
        members: Fold models of one algorithm. The first one's weights are kept for fine-tuning.
        classes: Number of classes; 0 for a regression.
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


@runtime_checkable
class AverageableBody(Protocol):
    """A ``FittedModel.body`` that can export several models of its algorithm as one graph, smaller than one each."""

    def __call__(self) -> onnx.ModelProto:
        """Export this model."""
        ...

    def average(self, bodies: Sequence[Self]) -> onnx.ModelProto | None:
        """Export the mean prediction of several models, including this one.

        Returns:
            A body with the inputs of one model; None if these models have no common graph.
        """
        ...


def average_fitted_models(members: Sequence[FittedModel], *, classes: int) -> onnx.ModelProto:
    """Export the mean prediction of ``members`` as one body.

    Models of one algorithm share a graph if their bodies are averageable: all trees are one node, layers of networks
    are stacked. Other models keep a graph each, whose outputs are averaged.

    Args:
        members: Models of the same encoded columns, such as the fold models of a candidate; they have equal weights.
        classes: Number of classes; 0 for a regression.

    Returns:
        A body (graphs.served_graph): probabilities [batch, classes], or values [batch, 1 + quantiles].
    """
    from pipeline.graphs.blending import blend

    bodies = [member.body for member in members]
    if len(bodies) == 1:
        return bodies[0]()
    first = bodies[0]
    if isinstance(first, AverageableBody) and all(type(body) is type(first) for body in bodies):
        averaged = first.average(bodies)  # type: ignore[arg-type]  # all are of first's type
        if averaged is not None:
            return averaged
    width = classes or 1 + len(members[0].quantiles)
    return blend([body() for body in bodies], [1 / len(bodies)] * len(bodies), classes=classes, width=width)
