"""Whether answers can be taken at their word: probabilities, and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import Bin, Calibration, IntervalCoverage
from pipeline.contracts.signature import Signature
from pipeline.evaluation.predictions import Answers

__all__ = ["calibration", "coverage"]

_BINS = 10


def calibration(
    signature: Signature,
    truth: npt.NDArray[Any],
    answers: Answers,
    weight: npt.NDArray[np.float64] | None = None,
) -> Calibration:
    """Compare the largest probability of each row with outcomes in ten bins; those without a row are left out.

    Args:
        signature: Of the model.
        truth: Labels [rows].
        answers: Predictions for the same rows.
        weight: What each row counts [rows]; None: all alike.
    """
    probabilities = answers.probabilities.astype(np.float64)
    counts = np.ones(len(truth)) if weight is None else weight
    number = {label: index for index, label in enumerate(signature.classes)}
    wanted = np.array([number[label] for label in truth])
    confidence, right = probabilities.max(axis=1), (probabilities.argmax(axis=1) == wanted).astype(np.float64)
    bin_of_row = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins, error = [], 0.0
    for index in range(_BINS):
        inside = bin_of_row == index
        if inside.any():
            own = counts[inside]
            mean, share = (float(np.average(values[inside], weights=own)) for values in (confidence, right))
            error += float(own.sum() / counts.sum()) * abs(share - mean)
            bins.append(
                Bin(
                    low=index / _BINS,
                    high=(index + 1) / _BINS,
                    rows=int(inside.sum()),
                    confidence=mean,
                    accuracy=share,
                )
            )
    of_truth = probabilities[np.arange(len(truth)), wanted]
    squared_error = float(np.average((probabilities**2).sum(axis=1) - 2 * of_truth + 1, weights=counts))
    return Calibration(
        bins=tuple(bins),
        error=error,
        brier=squared_error / 2 if len(signature.classes) == 2 else squared_error,
    )


def coverage(
    quantiles: Sequence[float],
    truth: npt.NDArray[Any],
    answered: npt.NDArray[Any],
    weight: npt.NDArray[np.float64] | None = None,
) -> IntervalCoverage:
    """Compare predicted quantiles with the values that were met.

    Args:
        quantiles: Those that are predicted.
        truth: Values [rows].
        answered: [rows, quantiles], in the order of ``quantiles``.
        weight: What each row counts [rows]; None: all alike.
    """
    order = np.argsort(quantiles)
    low, high = answered[:, order[0]], answered[:, order[-1]]

    def mean(values: npt.NDArray[Any]) -> float:
        return float(np.average(values, weights=weight))

    return IntervalCoverage(
        below=tuple((quantiles[index], mean(truth <= answered[:, index])) for index in order),
        wanted=quantiles[order[-1]] - quantiles[order[0]],
        within=mean((truth >= low) & (truth <= high)),
        width=mean(high - low),
    )
