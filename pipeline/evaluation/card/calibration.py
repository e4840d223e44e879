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


def calibration(signature: Signature, truth: npt.NDArray[Any], answers: Answers) -> Calibration:
    """Ten bins of one width; those without a row are left out."""
    probabilities = answers.probabilities.astype(np.float64)
    number = {label: index for index, label in enumerate(signature.classes)}
    confidence = probabilities.max(axis=1)
    right = (answers.labels == truth).astype(np.float64)
    where = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    bins = []
    for index in range(_BINS):
        inside = where == index
        if inside.any():
            bins.append(
                Bin(
                    low=index / _BINS,
                    high=(index + 1) / _BINS,
                    rows=int(inside.sum()),
                    confidence=float(confidence[inside].mean()),
                    accuracy=float(right[inside].mean()),
                )
            )
    of_truth = probabilities[np.arange(len(truth)), [number[label] for label in truth]]
    squared_error = float(np.mean((probabilities**2).sum(axis=1) - 2 * of_truth + 1))
    return Calibration(
        bins=tuple(bins),
        error=sum(one.rows * abs(one.accuracy - one.confidence) for one in bins) / len(truth),
        brier=squared_error / 2 if len(signature.classes) == 2 else squared_error,
    )


def coverage(quantiles: Sequence[float], truth: npt.NDArray[Any], answered: npt.NDArray[Any]) -> IntervalCoverage:
    """``answered`` [rows, quantiles], in the order of ``quantiles``."""
    order = np.argsort(quantiles)
    low, high = answered[:, order[0]], answered[:, order[-1]]
    return IntervalCoverage(
        below=tuple((quantiles[index], float(np.mean(truth <= answered[:, index]))) for index in order),
        wanted=quantiles[order[-1]] - quantiles[order[0]],
        within=float(np.mean((truth >= low) & (truth <= high))),
        width=float(np.mean(high - low)),
    )
