"""Temperature scaling (Guo et al. 2017): one number that makes all probabilities more or less confident."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["calibrate", "fit_temperature", "log_loss", "scale_tolerance"]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

_MIN_PROBABILITY = float(np.finfo(np.float32).eps)  # as in the metric log_loss
_BOUNDS = (-3.0, 3.0)  # bounds of the temperature's logarithm: temperatures from 0.05 to 20
_MAX_CELLS = 500_000  # maximum number of probabilities that a temperature is fitted to; more hardly change it
_DIGITS = 4


def calibrate(probabilities: Floats, temperature: float) -> Floats:
    """Divide the log-probabilities by ``temperature`` and normalize: above 1 less confident, below 1 more confident.

    Args:
        probabilities: Probabilities [rows, classes].
        temperature: Divisor of the log-probabilities; 1 changes nothing.

    Returns:
        Probabilities [rows, classes], float64; the array ``probabilities`` itself if ``temperature`` is 1.
    """
    if temperature == 1.0:
        return probabilities
    scaled = (probabilities / probabilities.max(axis=1, keepdims=True)).astype(np.float64) ** (1 / temperature)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def fit_temperature(probabilities: Floats, truth: Ints, weight: Floats | None = None) -> float:
    """Find the temperature with the lowest log loss.

    Args:
        probabilities: Probabilities of rows that the model has not learned from [rows, classes].
        truth: Class of each row [rows].
        weight: Weight of each row [rows]; None: all count the same.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - Lambda functions only calibrate, jobs fit

    rows = _sample(len(truth), probabilities.shape[1])
    sampled, sampled_truth = probabilities[rows].astype(np.float64), truth[rows]
    counts = None if weight is None else weight[rows]

    def loss(logarithm: float) -> float:
        return log_loss(calibrate(sampled, float(np.exp(logarithm))), sampled_truth, counts)

    optimum = minimize_scalar(loss, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-3})
    return round(float(np.exp(optimum.x)), _DIGITS)


def log_loss(probabilities: Floats, truth: Ints, weight: Floats | None = None) -> float:
    """Compute the log loss, as evaluation.metrics defines it."""
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    losses = -np.log(np.clip(of_truth, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY))
    return float(np.average(losses, weights=weight))


def scale_tolerance(tolerance: float, temperature: float) -> float:
    """Return the tolerance of calibrated probabilities, given the tolerance of uncalibrated ones.

    A temperature below 1 increases differences of log-probabilities.
    """
    return tolerance * max(1.0, 1 / temperature)


def _sample(rows: int, classes: int) -> npt.NDArray[np.int64]:
    max_rows = max(1, _MAX_CELLS // classes)
    if rows <= max_rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, max_rows, replace=False))
