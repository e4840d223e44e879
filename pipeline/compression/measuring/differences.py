"""Measure how a compressed file's predictions differ from fp32's, and how they depend on the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.scoring import Feeds, OnnxModel, Predictions, one_row
from pipeline.evaluation.several_targets import LABEL_THRESHOLD

__all__ = ["agreement", "batch_difference"]

_SINGLE_ROWS = 16
_EPSILON = 1e-12


def agreement(full: Predictions, small: Predictions, signature: Signature) -> float:
    """Return the share of rows with the same label; for regression, the correlation of the values.

    With several targets, return the share of equal labels over all rows, or the smallest correlation of a target.
    Constant values have a correlation of 0, or 1 if both are equal.
    """
    if signature.is_multilabel:
        labels = [predictions.probabilities >= LABEL_THRESHOLD for predictions in (full, small)]
        return float(np.mean(labels[0] == labels[1]))
    if signature.task != "regression":
        return float(np.mean(full.labels == small.labels))
    columns = (np.atleast_2d(predictions.values.T) for predictions in (full, small))
    return float(np.min([_correlation(*pair) for pair in zip(*columns, strict=True)]))  # NaN if one is NaN


def _correlation(first: npt.NDArray[np.floating[Any]], second: npt.NDArray[np.floating[Any]]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float(np.array_equal(first, second))
    return float(np.corrcoef(first, second)[0, 1])


def batch_difference(model: OnnxModel, rows: Feeds, predictions: Predictions, signature: Signature) -> float:
    """Return by how much predictions for single rows differ from those for the same rows in a batch.

    Args:
        model: The file.
        rows: A batch.
        predictions: The file's predictions for the batch.
        signature: Signature of the file.

    Returns:
        The largest difference of a probability, or of a value in standard deviations of the predicted values, over 16
        of the rows.
    """
    count = len(next(iter(rows.values())))
    indices = np.unique(np.linspace(0, count - 1, _SINGLE_ROWS).astype(np.int64))
    together = _numbers(predictions, signature)
    alone = np.concatenate([_numbers(model.run(one_row(rows, index)), signature) for index in indices])
    difference = float(np.abs(alone - together[indices]).max())
    return difference if signature.task != "regression" else difference / max(float(together.std()), _EPSILON)


def _numbers(predictions: Predictions, signature: Signature) -> npt.NDArray[np.floating[Any]]:
    return predictions.values if signature.task == "regression" else predictions.probabilities
