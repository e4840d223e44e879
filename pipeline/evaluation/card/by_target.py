"""Measure the quality of each of several targets on the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.dataset import LABEL_CLASSES, Dataset
from pipeline.contracts.records.evaluation_report import TargetQuality
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions

__all__ = ["quality_by_target"]

_SHOWN = ("rmse", "mae", "r2", "log_loss", "f1", "auc", "average_precision")


def quality_by_target(exam: HoldoutEvaluation, dataset: Dataset) -> tuple[TargetQuality, ...]:
    """Measure each of several targets like a model of only this target; return an empty tuple for one target."""
    predicted = exam.predictions.probabilities if dataset.is_multilabel else exam.predictions.values
    names = dataset.classes or dataset.targets
    return tuple(
        _measure(name, dataset.of_target(number), exam.truth[:, number], predicted[:, number], exam.weight)
        for number, name in enumerate(names if dataset.targets else ())
    )


def _measure(
    name: str,
    alone: Dataset,
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[np.floating[Any]],
    weight: npt.NDArray[np.float64] | None,
) -> TargetQuality:
    signature = alone.signature
    rows = len(truth)
    if alone.classes:
        rows = int(truth.sum())
        truth = np.array(LABEL_CLASSES, object)[truth.astype(np.int64)]
        predicted = np.stack([1 - predicted, predicted], axis=1)
    answered = signature, truth, Predictions.of(signature, predicted)
    quality, bounds = measure(*answered, weight=weight), interval(*answered, weight=weight)
    shown = [metric for metric in _SHOWN if metric in quality]
    return TargetQuality(
        target=name,
        rows=rows,
        quality={metric: quality[metric] for metric in shown},
        interval={metric: bounds[metric] for metric in shown},
    )
