"""Tune the threshold of the positive class's probability for a metric of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.decision import ThresholdMetric, ThresholdRule

__all__ = ["label_quality", "tune_threshold"]

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

_BOOTSTRAPS = 20
_MIN_THRESHOLD = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counts:
    """Total weights of true and false positives [cuts], and of all positive and all negative rows."""

    true: Floats
    false: Floats
    positives: float
    negatives: float


def _ratio(numerator: Any, denominator: Any) -> Floats:
    denominator = np.asarray(denominator, np.float64)
    return np.asarray(np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), 0.0))


def _f1(counts: _Counts) -> Floats:
    return _ratio(2 * counts.true, counts.true + counts.false + counts.positives)


def _balanced_accuracy(counts: _Counts) -> Floats:
    recall = _ratio(counts.true, counts.positives)
    specificity = _ratio(counts.negatives - counts.false, counts.negatives)
    return np.asarray((recall + specificity) / 2)


def _mcc(counts: _Counts) -> Floats:
    labeled = counts.true + counts.false
    total = counts.positives + counts.negatives
    covariance = counts.true * counts.negatives - counts.false * counts.positives
    return _ratio(covariance, np.sqrt(np.maximum(labeled * (total - labeled) * counts.positives * counts.negatives, 0)))


def _precision(counts: _Counts) -> Floats:
    return _ratio(counts.true, counts.true + counts.false)


_METRICS: Mapping[ThresholdMetric, Callable[[_Counts], Floats]] = {
    "f1": _f1,
    "balanced_accuracy": _balanced_accuracy,
    "mcc": _mcc,
    "precision_at_recall": _precision,
}


def tune_threshold(scores: Floats, positive: Flags, rule: ThresholdRule, weight: Floats | None = None) -> float:
    """Find the threshold with the best ``rule.metric``: the mean, in log-odds, of bootstrap samples' best thresholds.

    The best threshold on the rows themselves depends on single positive rows; the mean over 20 samples is closer to the
    best threshold on new rows (decision 20). For ``precision_at_recall``, the best threshold on the rows is used, so
    that they reach the required recall.

    Args:
        scores: Probability of the positive class, for rows that the model has not learned from [rows].
        positive: Whether each row is of the positive class [rows].
        rule: Rule with the metric, and for ``precision_at_recall`` the minimum recall.
        weight: Weight of each row [rows]; None: all count the same.

    Returns:
        The threshold, in (0, 1); 0.5 if all rows are positive, or none is.
    """
    if positive.all() or not positive.any():
        return 0.5
    cuts = _Cuts(scores, positive)
    counts = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    if rule.metric == "precision_at_recall":
        return cuts.best(counts, rule)
    generator = np.random.default_rng(0)
    thresholds = []
    for _ in range(_BOOTSTRAPS):
        drawn = counts * np.bincount(generator.integers(len(scores), size=len(scores)), minlength=len(scores))
        if drawn[positive].any() and drawn[~positive].any():
            thresholds.append(cuts.best(drawn, rule))
    log_odds = np.log(np.divide(thresholds, np.subtract(1, thresholds))) if thresholds else np.zeros(1)
    return float(1 / (1 + np.exp(-log_odds.mean())))


def label_quality(labeled: Flags, positive: Flags, rule: ThresholdRule, weight: Floats | None = None) -> float:
    """Measure labels by ``rule.metric``; for ``precision_at_recall``, return the precision."""
    counts = np.ones(len(positive)) if weight is None else np.asarray(weight, np.float64)
    of_labels = _Counts(
        true=np.array([counts[labeled & positive].sum()]),
        false=np.array([counts[labeled & ~positive].sum()]),
        positives=float(counts[positive].sum()),
        negatives=float(counts[~positive].sum()),
    )
    return float(_METRICS[rule.metric](of_labels)[0])


class _Cuts:
    """Thresholds between the scores of rows, which are sorted once."""

    def __init__(self, scores: Floats, positive: Flags) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order].astype(np.float64)
        self._positive = positive[self._order]
        self._last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # last row of each distinct score
        self._distinct = ranked[self._last]

    def best(self, counts: Floats, rule: ThresholdRule) -> float:
        """Return the middle of the first run of best thresholds, for rows with the weights ``counts`` [rows]."""
        ordered = counts[self._order]
        true, false = (np.cumsum(ordered * flags)[self._last] for flags in (self._positive, ~self._positive))
        labels = _Counts(true=true, false=false, positives=float(true[-1]), negatives=float(false[-1]))
        quality = _METRICS[rule.metric](labels)
        if rule.metric == "precision_at_recall":
            quality = np.where(_ratio(true, true[-1]) >= rule.recall - 1e-12, quality, -1.0)
        best = np.flatnonzero(quality >= quality.max() - 1e-12)
        first = best[0]
        last = first + int(np.argmin(np.append(np.diff(best) == 1, False)))  # end of the first run of equally good cuts
        below = self._distinct[last + 1] if last + 1 < len(quality) else 0.0
        return float(np.clip((self._distinct[first] + below) / 2, _MIN_THRESHOLD, 1 - _MIN_THRESHOLD))
