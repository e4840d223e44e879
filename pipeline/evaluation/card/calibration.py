"""Calibration of probabilities, and coverage of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import Bin, Calibration, IntervalCoverage
from pipeline.contracts.signature import Signature
from pipeline.evaluation.predictions import Predictions, class_numbers

__all__ = ["calibration", "coverage"]

_BINS = 10


def calibration(
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    weight: npt.NDArray[np.float64] | None = None,
) -> Calibration:
    """Compare the largest probability of the rows with their accuracy in ten bins; empty bins are left out.

    Args:
        signature: Signature of the model.
        truth: Labels [rows].
        predictions: Predictions for the same rows.
        weight: Weight of each row [rows]; None: all count the same.
    """
    probabilities = predictions.probabilities.astype(np.float64)
    counts = np.ones(len(truth)) if weight is None else weight
    true_class = class_numbers(truth, signature.classes)
    confidence, is_correct = probabilities.max(axis=1), (probabilities.argmax(axis=1) == true_class).astype(np.float64)
    bin_of_row = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins, error = [], 0.0
    for index in range(_BINS):
        in_bin = bin_of_row == index
        if in_bin.any():
            bin_weights = counts[in_bin]
            mean, accuracy = (
                float(np.average(values[in_bin], weights=bin_weights)) for values in (confidence, is_correct)
            )
            error += float(bin_weights.sum() / counts.sum()) * abs(accuracy - mean)
            bins.append(
                Bin(
                    low=index / _BINS,
                    high=(index + 1) / _BINS,
                    rows=int(in_bin.sum()),
                    confidence=mean,
                    accuracy=accuracy,
                )
            )
    of_truth = probabilities[np.arange(len(truth)), true_class]
    squared_error = float(np.average((probabilities**2).sum(axis=1) - 2 * of_truth + 1, weights=counts))
    return Calibration(
        bins=tuple(bins),
        error=error,
        brier=squared_error / 2 if len(signature.classes) == 2 else squared_error,
    )


def coverage(
    quantiles: Sequence[float],
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    weight: npt.NDArray[np.float64] | None = None,
) -> IntervalCoverage:
    """Compare predicted quantiles with the true values.

    Args:
        quantiles: Which quantiles are predicted.
        truth: True values [rows].
        predicted: Predicted quantiles [rows, quantiles], in the order of ``quantiles``.
        weight: Weight of each row [rows]; None: all count the same.
    """
    order = np.argsort(quantiles)
    low, high = predicted[:, order[0]], predicted[:, order[-1]]

    def mean(values: npt.NDArray[Any]) -> float:
        return float(np.average(values, weights=weight))

    return IntervalCoverage(
        below=tuple((quantiles[index], mean(truth <= predicted[:, index])) for index in order),
        wanted=quantiles[order[-1]] - quantiles[order[0]],
        within=mean((truth >= low) & (truth <= high)),
        width=mean(high - low),
    )
