"""Metrics of a regression as scikit-learn defines them, for several vectors of row weights at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

__all__ = ["Metric", "regression_metrics"]

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats], Floats]  # weights [draws, rows] -> values [draws]

_EPSILON = float(np.finfo(np.float64).eps)  # scikit-learn divides by this instead of 0
_MIN_VALUE = -1 + 1e-9  # lower bound of predictions for log(1 + prediction)


def regression_metrics(
    truth: Floats, values: Floats, *, quantiles: Sequence[float] = (), predicted_quantiles: Floats | None = None
) -> Mapping[str, Callable[[], Metric]]:
    """Return a factory of each metric by name, since the preparation of some metrics sorts all rows.

    Args:
        truth: True values [rows].
        values: Predicted values [rows].
        quantiles: Which quantiles are predicted; empty: none.
        predicted_quantiles: Predicted quantiles [rows, quantiles].

    Returns:
        The factories; ``rmsle`` only if all true values are above -1. ``pinball`` is the mean over the quantiles, or
        without quantiles, the loss of the value as the median.
    """
    error = values - truth
    factories: dict[str, Callable[[], Metric]] = {
        "rmse": lambda: lambda weights: np.sqrt(_mean(error**2, weights)),
        "mae": lambda: partial(_mean, np.abs(error)),
        "median_absolute_error": lambda: _Median(np.abs(error)),
        "mape": lambda: partial(_mean, np.abs(error) / np.maximum(np.abs(truth), _EPSILON)),
        "r2": lambda: partial(_r2, truth, error),
        "d2_absolute_error": lambda: _d2_absolute_error(truth, error),
        "pinball": lambda: partial(_mean, _pinball(truth, values, quantiles, predicted_quantiles)),
    }
    if truth.min(initial=0) > -1:
        squares = (np.log1p(np.maximum(values, _MIN_VALUE)) - np.log1p(truth)) ** 2
        factories["rmsle"] = lambda: lambda weights: np.sqrt(_mean(squares, weights))
    return factories


def _mean(scores: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ scores / weights.sum(axis=1), dtype=np.float64)


def _r2(truth: Floats, error: Floats, weights: Floats) -> Floats:
    centered = truth - truth.mean()
    residual = _mean(error**2, weights)
    spread = _mean(centered**2, weights) - _mean(centered, weights) ** 2
    return _explained(residual, spread)


def _explained(residual: Floats, spread: Floats) -> Floats:
    """Return 1 - residual / spread; for a constant truth, 1 if it is predicted exactly, else 0."""
    constant = spread <= 0
    explained = 1 - residual / np.where(constant, 1, spread)
    return np.asarray(np.where(constant, (residual == 0).astype(np.float64), explained))


def _d2_absolute_error(truth: Floats, error: Floats) -> Metric:
    """Return the metric D²: the explained fraction of the absolute deviation from the median."""
    median = _Median(truth)

    def metric(weights: Floats) -> Floats:
        medians = median(weights)
        deviation = np.array(
            [row @ np.abs(truth - middle) / row.sum() for row, middle in zip(weights, medians, strict=True)]
        )
        return _explained(_mean(np.abs(error), weights), deviation)

    return metric


def _pinball(truth: Floats, values: Floats, quantiles: Sequence[float], predicted_quantiles: Floats | None) -> Floats:
    """Return the pinball loss of each row [rows] (Koenker and Bassett 1978)."""
    if not quantiles or predicted_quantiles is None or not predicted_quantiles.size:
        return np.asarray(np.abs(values - truth) / 2)
    below = truth[:, None] - predicted_quantiles
    shares = np.asarray(quantiles, dtype=np.float64)
    return np.asarray(np.maximum(shares * below, (shares - 1) * below).mean(axis=1))


class _Median:
    """The weighted median: the mean of two scores if exactly half of the weight is below (averaged inverted CDF)."""

    def __init__(self, scores: Floats) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._scores = scores[self._order]

    def __call__(self, weights: Floats) -> Floats:
        """Return the weighted medians [draws] for ``weights`` [draws, rows]."""
        return np.array([self._of(row) for row in weights[:, self._order]])

    def _of(self, weights: Floats) -> float:
        has_weight = weights > 0
        scores, below = self._scores[has_weight], np.cumsum(weights[has_weight])
        half = below[-1] / 2
        index = min(int(np.searchsorted(below, half)), len(scores) - 1)
        if below[index] - half > _EPSILON or index + 1 == len(scores):
            return float(scores[index])
        return float((scores[index] + scores[index + 1]) / 2)
