"""Compare a served file with the out-of-fold predictions of its fold models, on rows that they learned from.

A file of the same model has learned these rows, so it may be more confident and more accurate than models that have not
seen them, but not worse: the bounds are one-sided. Each comparison is negated, so that NaN misses every bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.signature import Signature
from pipeline.evaluation.predictions import Predictions

__all__ = ["SeenRows", "find_differences"]

Floats = npt.NDArray[np.float64]

# Bounds beyond the differences measured on ten tables and six algorithms, bagged and refit (docs/decisions/0021).
_MIN_KEPT = 0.9  # share of the rows labeled right and confidently out-of-fold that the served file labels right too
_MIN_CONFIDENCE = 0.8  # probability of a confident label; with less, models of other rows agree by chance
_MAX_LOST_ACCURACY = 0.05
_MAX_LOG_LOSS = 1.1  # times the out-of-fold log loss, plus
_LOG_LOSS_TOLERANCE = 0.02
_MAX_LOST_CONFIDENCE = 0.1  # drop of the mean probability of the predicted label
_MAX_OVERCONFIDENCE = 0.05  # mean confidence less accuracy, beyond that of the out-of-fold predictions
_MAX_RMSE = 1.1  # times the out-of-fold RMSE
_MAX_LOST_CORRELATION = 0.1  # drop of the correlation with the truth
_MIN_PROBABILITY = 1e-7
_MIN_ROWS = 20  # a share of fewer rows is too uncertain


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRows:
    """Some of the rows that models learn from.

    Attributes:
        frame: The rows.
        indices: Their indices among all rows that models learn from, the training rows first [rows].
        total: Number of all rows that models learn from.
    """

    frame: pl.DataFrame
    indices: npt.NDArray[np.int64]
    total: int


def find_differences(
    signature: Signature, truth: npt.NDArray[Any], served: Predictions, out_of_fold: npt.NDArray[np.floating[Any]]
) -> tuple[str, ...]:
    """Find signs that the served file is not the model that was measured.

    Args:
        signature: Signature of the file.
        truth: Labels or values [rows].
        served: The file's predictions for these rows.
        out_of_fold: Probabilities [rows, classes], or values, with quantiles if any, of the same rows; NaN where a row
            has no prediction.

    Returns:
        A sentence for each bound that the file misses.
    """
    held = ~np.isnan(out_of_fold.reshape(len(out_of_fold), -1)).any(axis=1)
    if held.sum() < _MIN_ROWS or signature.targets:
        return ()
    if signature.task == "regression":
        values = out_of_fold[:, 0] if out_of_fold.ndim == 2 else out_of_fold
        return tuple(_compare_values(truth[held].astype(np.float64), served.values[held], values[held]))
    column = {label: number for number, label in enumerate(signature.classes)}
    class_numbers = np.array([column[label] for label in truth[held]])
    return tuple(_compare_probabilities(class_numbers, served.probabilities[held], out_of_fold[held]))


def _compare_probabilities(
    truth: npt.NDArray[np.int64], served: npt.NDArray[Any], out_of_fold: npt.NDArray[Any]
) -> Iterator[str]:
    file, bag = _Probabilities.of(served, truth), _Probabilities.of(out_of_fold, truth)
    is_confident = bag.right & (out_of_fold.max(axis=1) >= _MIN_CONFIDENCE)
    if is_confident.sum() >= _MIN_ROWS and not (agreed := float(file.right[is_confident].mean())) >= _MIN_KEPT:
        yield f"it keeps {agreed:.3f} of the labels confidently right out-of-fold, at least {_MIN_KEPT} is expected"
    if not file.accuracy >= (minimum := bag.accuracy - _MAX_LOST_ACCURACY):
        yield f"its accuracy on them is {file.accuracy:.3f}, at least {minimum:.3f} is expected"
    if not file.log_loss <= (maximum := _MAX_LOG_LOSS * bag.log_loss + _LOG_LOSS_TOLERANCE):
        losses = f"its log loss on them is {file.log_loss:.4g}, out-of-fold it is {bag.log_loss:.4g}"
        yield f"{losses}: at most {maximum:.4g}"
    if not file.confidence >= (minimum := bag.confidence - _MAX_LOST_CONFIDENCE):
        yield f"its mean confidence is {file.confidence:.3f}, at least {minimum:.3f} is expected"
    if not file.overconfidence <= (maximum := max(0.0, bag.overconfidence) + _MAX_OVERCONFIDENCE):
        excess = file.overconfidence
        yield f"its mean confidence exceeds its accuracy by {excess:.3f}, at most {maximum:.3f} is expected"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probabilities:
    right: npt.NDArray[np.bool_]
    confidence: float
    log_loss: float

    @classmethod
    def of(cls, probabilities: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> _Probabilities:
        of_truth = np.maximum(probabilities[np.arange(len(truth)), truth].astype(np.float64), _MIN_PROBABILITY)
        return cls(
            right=probabilities.argmax(axis=1) == truth,
            confidence=float(probabilities.max(axis=1).mean()),
            log_loss=float(-np.log(of_truth).mean()),
        )

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def overconfidence(self) -> float:
        return self.confidence - self.accuracy


def _compare_values(truth: Floats, served: npt.NDArray[Any], out_of_fold: npt.NDArray[Any]) -> Iterator[str]:
    rmse, bag_rmse = (float(np.sqrt(np.square(values - truth).mean())) for values in (served, out_of_fold))
    if not rmse <= _MAX_RMSE * bag_rmse + 1e-6 * float(np.abs(truth).max()):
        yield f"its RMSE on them is {rmse:.6g}, out-of-fold it is {bag_rmse:.6g}: at most {_MAX_RMSE:g} times that"
    correlation, expected = _correlation(served, truth), _correlation(out_of_fold, truth) - _MAX_LOST_CORRELATION
    if not correlation >= expected:
        yield f"its correlation with the truth is {correlation:.3f}, at least {expected:.3f} is expected"


def _correlation(values: npt.NDArray[Any], truth: Floats) -> float:
    if values.std() == 0 or truth.std() == 0:
        return 0.0
    return float(np.corrcoef(values.astype(np.float64), truth)[0, 1])
