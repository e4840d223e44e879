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


def quality_by_target(evaluation: HoldoutEvaluation, dataset: Dataset) -> tuple[TargetQuality, ...]:
    """Measure each of several targets like a model of only this target; return an empty tuple for one target."""
    predicted = evaluation.predictions.probabilities if dataset.is_multilabel else evaluation.predictions.values
    names = dataset.classes or dataset.targets
    return tuple(
        _measure(name, dataset.of_target(number), evaluation.truth[:, number], predicted[:, number], evaluation.weight)
        for number, name in enumerate(names if dataset.targets else ())
    )


def _measure(
    name: str,
    target_dataset: Dataset,
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[np.floating[Any]],
    weight: npt.NDArray[np.float64] | None,
) -> TargetQuality:
    signature = target_dataset.signature
    rows = len(truth)
    if target_dataset.classes:
        rows = int(truth.sum())
        truth = np.array(LABEL_CLASSES, object)[truth.astype(np.int64)]
        predicted = np.stack([1 - predicted, predicted], axis=1)
    metric_inputs = signature, truth, Predictions.of(signature, predicted)
    quality, bounds = measure(*metric_inputs, weight=weight), interval(*metric_inputs, weight=weight)
    shown = [metric for metric in _SHOWN if metric in quality]
    return TargetQuality(
        target=name,
        rows=rows,
        quality={metric: quality[metric] for metric in shown},
        interval={metric: bounds[metric] for metric in shown},
    )
