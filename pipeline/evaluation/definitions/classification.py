"""Metrics of a classification as scikit-learn defines them, for several vectors of row weights at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ClassCounts", "ClassSums", "Metric", "classification_metrics"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Metric = Callable[[Floats], Floats]  # weights [draws, rows] -> values [draws]

_MIN_PROBABILITY = float(np.finfo(np.float32).eps)  # scikit-learn clips float32 probabilities to this


def classification_metrics(
    truth: Ints, predicted: Ints, probabilities: Floats, *, positive: int, order: Floats | None
) -> Mapping[str, Callable[[], Metric]]:
    """Return a factory of each metric by name, since the preparation of some metrics sorts all rows.

    Args:
        truth: True class of each row [rows].
        predicted: Predicted class of each row [rows].
        probabilities: Probabilities [rows, classes].
        positive: Index of the positive class of two.
        order: The labels as numbers [classes]; None: the labels are not numbers, and have no order.

    Returns:
        The factories; ``f1`` only for two classes, ``quadratic_kappa`` only for labels with an order.
    """
    classes = probabilities.shape[1]
    right = (truth == predicted).astype(np.float64)
    counts = ClassCounts(truth, predicted, classes)
    rankings = cache(lambda: _Rankings(truth, probabilities, positive))
    factories: dict[str, Callable[[], Metric]] = {
        "accuracy": lambda: partial(_mean, right),
        "balanced_accuracy": lambda: lambda weights: _balanced_accuracy(counts(weights)),
        "f1_macro": lambda: lambda weights: _f1_macro(counts(weights)),
        "f1_weighted": lambda: lambda weights: _f1_weighted(counts(weights)),
        "auc": lambda: rankings().auc,
        "average_precision": lambda: rankings().average_precision,
        "log_loss": lambda: partial(_mean, _row_log_losses(truth, probabilities)),
        "mcc": lambda: lambda weights: _mcc(counts(weights)),
    }
    if classes == 2:
        factories["f1"] = lambda: lambda weights: _f1(counts(weights))[:, positive]
    if order is not None:
        rank = np.argsort(np.argsort(order, kind="stable"), kind="stable")
        factories["quadratic_kappa"] = lambda: partial(_quadratic_kappa, rank[truth], rank[predicted])
    return factories


class ClassSums(NamedTuple):
    """Total weight by class, each [draws, classes]: of true rows, of predicted rows, and of correct predictions."""

    truth: Floats
    predicted: Floats
    right: Floats


class ClassCounts:
    """Sums weights by class. The last sums are cached, since several metrics use the same weights."""

    def __init__(self, truth: Ints, predicted: Ints, classes: int) -> None:
        self._truth = _Groups(truth, classes)
        self._predicted = _Groups(predicted, classes)
        self._is_right = truth == predicted
        self._last: tuple[Floats, ClassSums] | None = None

    def __call__(self, weights: Floats) -> ClassSums:
        """Return the sums of ``weights`` [draws, rows]."""
        if self._last is None or self._last[0] is not weights:
            right = self._truth.sum(weights * self._is_right)
            self._last = weights, ClassSums(self._truth.sum(weights), self._predicted.sum(weights), right)
        return self._last[1]


class _Groups:
    """Rows sorted by class, so that each class is a slice."""

    def __init__(self, codes: Ints, classes: int) -> None:
        self._order = np.argsort(codes, kind="stable")
        ordered = codes[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._present = ordered[self._starts]
        self._classes = classes

    def sum(self, weights: Floats) -> Floats:
        """Sum weights [draws, rows] by class: [draws, classes]."""
        sums = np.zeros((len(weights), self._classes))
        sums[:, self._present] = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        return sums


def _mean(scores: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ scores / weights.sum(axis=1), dtype=np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the ratio, 0 where the denominator is 0."""
    positive = denominator > 0
    return np.asarray(np.where(positive, numerator / np.where(positive, denominator, 1), 0.0))


def _row_log_losses(truth: Ints, probabilities: Floats) -> Floats:
    of_truth = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(of_truth, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)))


def _balanced_accuracy(sums: ClassSums) -> Floats:
    """Return the mean recall over the classes with true rows."""
    present = sums.truth > 0
    return _ratio(_ratio(sums.right, sums.truth).sum(axis=1), present.sum(axis=1).astype(np.float64))


def _f1(sums: ClassSums) -> Floats:
    """Return the F1 of each class [draws, classes]; 0 for a class with neither true nor predicted rows."""
    return _ratio(2 * sums.right, sums.truth + sums.predicted)


def _f1_macro(sums: ClassSums) -> Floats:
    """Return the mean F1 over the classes with true or predicted rows."""
    present = (sums.truth + sums.predicted) > 0
    return _ratio(_f1(sums).sum(axis=1), present.sum(axis=1).astype(np.float64))


def _f1_weighted(sums: ClassSums) -> Floats:
    return _ratio((_f1(sums) * sums.truth).sum(axis=1), sums.truth.sum(axis=1))


def _mcc(sums: ClassSums) -> Floats:
    """Return Matthews' correlation coefficient for any number of classes (Gorodkin 2004)."""
    total = sums.truth.sum(axis=1)
    covariance = sums.right.sum(axis=1) * total - (sums.truth * sums.predicted).sum(axis=1)
    spread_truth = total**2 - (sums.truth**2).sum(axis=1)
    spread_predicted = total**2 - (sums.predicted**2).sum(axis=1)
    # If all rows have one class, fractional weights make the spread a rounding error instead of 0.
    product = np.where(
        np.minimum(spread_truth, spread_predicted) > 1e-12 * total**2, spread_truth * spread_predicted, 0.0
    )
    return _ratio(covariance, np.sqrt(product))


def _quadratic_kappa(truth: Ints, predicted: Ints, weights: Floats) -> Floats:
    """Return Cohen's quadratic kappa (1968), in which an error of d ranks costs d²; 0 if the expected cost is 0."""
    a, b = truth.astype(np.float64), predicted.astype(np.float64)
    observed = _mean((a - b) ** 2, weights)
    expected = _mean(a**2, weights) + _mean(b**2, weights) - 2 * _mean(a, weights) * _mean(b, weights)
    varies = expected > 1e-12
    return np.asarray(np.where(varies, 1 - observed / np.where(varies, expected, 1), 0.0))


class _Areas(NamedTuple):
    """Areas of one class against the rest and the weight of its rows, each [draws]."""

    roc: Floats
    average_precision: Floats
    positives: Floats


class _Rankings:
    """Rankings of the rows by the probability of each class; with two classes, only of the positive class.

    The last areas are cached, since two metrics use the same weights.
    """

    def __init__(self, truth: Ints, probabilities: Floats, positive: int) -> None:
        classes = [positive] if probabilities.shape[1] == 2 else np.unique(truth)
        self._rankings = [_Ranking(truth == label, probabilities[:, label]) for label in classes]
        self._last: tuple[Floats, list[_Areas]] | None = None

    def auc(self, weights: Floats) -> Floats:
        """Return the mean area under the ROC curve; classes are weighted by their rows."""
        areas, rows = (
            np.stack([getattr(of_class, name) for of_class in self._areas(weights)]) for name in ("roc", "positives")
        )
        if len(areas) == 1:
            return np.asarray(areas[0])
        return np.asarray((areas * rows).sum(axis=0) / rows.sum(axis=0), dtype=np.float64)

    def average_precision(self, weights: Floats) -> Floats:
        """Return the mean average precision over the classes with rows."""
        return np.asarray(np.mean([of_class.average_precision for of_class in self._areas(weights)], axis=0))

    def _areas(self, weights: Floats) -> list[_Areas]:
        if self._last is None or self._last[0] is not weights:
            self._last = weights, [ranking.areas(weights) for ranking in self._rankings]
        return self._last[1]


class _Ranking:
    """Rows sorted by descending score; rows with equal scores form a group."""

    def __init__(self, positive: npt.NDArray[np.bool_], scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._is_positive = positive[self._order].astype(np.float64)
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def areas(self, weights: Floats) -> _Areas:
        """Return the area under the ROC curve (0.5 if all rows have one class), and the average precision.

        The average precision is 0 if there is no positive row.
        """
        ordered = weights[:, self._order]
        above = np.add.reduceat(ordered * self._is_positive, self._starts, axis=1)
        total = np.add.reduceat(ordered, self._starts, axis=1)
        below = total - above
        positives, negatives = above.sum(axis=1), below.sum(axis=1)
        not_above = negatives[:, None] - np.cumsum(below, axis=1)  # weight of negative rows with a lower score
        pairs = positives * negatives
        concordant = (above * (not_above + below / 2)).sum(axis=1)
        precision = _ratio(np.cumsum(above, axis=1), np.cumsum(total, axis=1))
        return _Areas(
            roc=np.where(pairs > 0, concordant / np.where(pairs > 0, pairs, 1), 0.5),
            average_precision=_ratio((above * precision).sum(axis=1), positives),
            positives=positives,
        )
