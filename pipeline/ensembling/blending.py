"""Fit a weighted blend of the best candidates by greedy ensemble selection (Caruana et al. 2004) on held-out rows.

On out-of-fold predictions for up to 20,000 rows, the selection is bagged, as the paper proposes: the weights are the
means over ten random halves of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.fit import decide
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions, class_numbers
from pipeline.evaluation.ranking import ranking_score

__all__ = ["Blend", "blend_weights", "fit_blend"]

Floats = npt.NDArray[np.floating[Any]]

_SELECTION_ROUNDS = 40  # the weights of one selection are multiples of 1/40
_MIN_WEIGHT = 0.04
_FOLDS = 5
_RESAMPLES = 10
_MIN_WITH_LOGARITHM = -1 + 1e-9  # lower bound of predictions for log(1 + prediction)
_ABSOLUTE_METRICS = frozenset({"mae", "median_absolute_error", "d2_absolute_error", "pinball"})
_MAX_BAGGED_ROWS = 20_000  # with more rows, random halves hardly differ, and ten selections take minutes
_MIN_PROBABILITY = 1e-7  # avoids log(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend:
    """A weighted mean of candidates.

    Args:
        weights: Weight of each candidate, the largest first.
        cross_fitted: Predictions of the blend, in the shape of the members'; weights are fitted to other rows.
        reason: Why the blend is used or not.
        beats_best: Whether the cross-fitted predictions are better than the best single candidate.
    """

    weights: dict[str, float]
    cross_fitted: Floats
    reason: str
    beats_best: bool


def fit_blend(  # noqa: PLR0913 - predictions, truth and how they are measured
    predictions: dict[str, Floats],
    truth: npt.NDArray[Any],
    signature: Signature,
    metric: str,
    *,
    weight: Floats | None = None,
    rule: ThresholdRule | None = None,
    by_folds: bool = False,
) -> Blend:
    """Fit the weights of a blend to all rows, and measure it by cross-fitting over fifths of the rows.

    Args:
        predictions: Predictions of two candidates or more for the same rows, [rows, classes] or [rows].
        truth: Labels, values, or several targets of the rows.
        signature: Signature of the candidates.
        metric: The plan's metric.
        weight: Weight of each row [rows]; None: all count the same.
        rule: How the threshold of labels is chosen, for metrics of labels.
        by_folds: Whether the predictions are out-of-fold.
    """
    names = list(predictions)
    stacked = np.stack([predictions[name].astype(np.float64) for name in names])
    losses = _make_loss(truth, signature, metric, weight)
    weigh = _bagged_weights if by_folds and len(truth) <= _MAX_BAGGED_ROWS else _fit_weights
    all_rows = np.arange(len(truth))
    fitted = weigh(stacked, losses, all_rows)
    cross_fitted = np.empty_like(stacked[0])
    fold = np.random.default_rng(0).permutation(len(truth)) % _FOLDS
    for number in range(_FOLDS):
        held = fold == number
        cross_fitted[held] = np.tensordot(weigh(stacked, losses, all_rows[~held]), stacked[:, held], axes=1)

    def quality(combined: Floats) -> dict[str, float]:
        decided = decide(signature, truth, Predictions.of(signature, combined), rule, weight, calibrates=False)
        return measure(signature, truth, decided.predictions, weight=weight)

    singles = {name: quality(combined) for name, combined in zip(names, stacked, strict=True)}
    best = max(singles, key=lambda name: ranking_score(singles[name], metric))
    blended = quality(cross_fitted)
    weights = _round_weights(names, fitted)
    is_better = len(weights) > 1 and ranking_score(blended, metric) > ranking_score(singles[best], metric)
    reason = f"no other candidate improves {next(iter(weights))}"
    if len(weights) > 1:
        weights_text = " + ".join(f"{member_weight:.2f} {name}" for name, member_weight in weights.items())
        comparison = "better than" if is_better else "not better than"
        reason = (
            f"{weights_text}: cross-fitted {metric} {blended[metric]:.6g}, {comparison} {singles[best][metric]:.6g} "
            f"of {best}"
        )
    return Blend(weights=weights, cross_fitted=cross_fitted, reason=reason, beats_best=is_better)


def _round_weights(names: Sequence[str], weights: Floats) -> dict[str, float]:
    """Round the positive weights to four decimals with a sum of 1, the largest first."""
    largest, *smaller = sorted(zip(names, weights, strict=True), key=lambda pair: -pair[1])
    weights_of_smaller = {name: round(float(weight), 4) for name, weight in smaller if weight > 0}
    return {largest[0]: round(1 - sum(weights_of_smaller.values()), 4), **weights_of_smaller}


def _fit_weights(stacked: Floats, losses: Callable[..., float], rows: npt.NDArray[np.int64]) -> Floats:
    return blend_weights(stacked[:, rows], lambda combined: losses(combined, rows))


def _bagged_weights(stacked: Floats, losses: Callable[..., float], rows: npt.NDArray[np.int64]) -> Floats:
    random = np.random.default_rng(0)
    halves = [np.sort(random.permutation(rows)[: len(rows) // 2]) for _ in range(_RESAMPLES)]
    weights: Floats = np.mean([_fit_weights(stacked, losses, half) for half in halves], axis=0)
    return _drop_small_weights(weights)


def _drop_small_weights(weights: Floats) -> Floats:
    """Set small weights to 0, since their members cost size and latency for little gain; the others sum to 1."""
    large_weights = np.where(weights < min(_MIN_WEIGHT * weights.sum(), weights.max()), 0.0, weights)
    normalized: Floats = large_weights / large_weights.sum()
    return normalized


def blend_weights(stacked: Floats, losses: Callable[..., float]) -> Floats:
    """Return the weights [members], which sum to 1, by greedy selection with replacement.

    Args:
        stacked: Predictions of the members [members, rows, ...].
        losses: Returns the loss of predictions [rows, ...].
    """
    counts = np.zeros(len(stacked))
    total = np.zeros_like(stacked[0])
    for size in range(1, _SELECTION_ROUNDS + 1):
        best = int(np.argmin([losses((total + member) / size) for member in stacked]))
        counts[best] += 1
        total = total + stacked[best]
    return _drop_small_weights(counts)


def _targets_loss(  # noqa: PLR0913, PLR0917 - predictions, truth and how they are measured
    truth: Floats, signature: Signature, metric: str, counts: Floats, predicted: Floats, rows: Any = slice(None)
) -> float:
    """Return the mean loss over several targets: of errors in standard deviations, or the log loss of each label."""
    y_true = truth[rows]
    if signature.is_multilabel:
        clipped = np.clip(predicted, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        losses = -(y_true * np.log(clipped) + (1 - y_true) * np.log(1 - clipped))
    else:
        error = (predicted - y_true) / np.maximum(truth.std(axis=0), np.finfo(np.float64).tiny)
        losses = np.abs(error) if metric == "mae" else np.square(error)
    return float(np.average(losses.mean(axis=1), weights=counts[rows]))


def _make_loss(
    truth: npt.NDArray[Any], signature: Signature, metric: str, weight: Floats | None
) -> Callable[..., float]:
    """Make the loss that the weights minimize, over all rows or ``rows``; the log loss for all metrics of classes."""
    counts = np.ones(len(truth)) if weight is None else weight.astype(np.float64)
    if signature.targets:
        return partial(_targets_loss, truth, signature, metric, counts)
    if signature.task == "regression":

        def of_values(predicted: Floats, rows: Any = slice(None)) -> float:
            return float(np.average(_value_losses(predicted, truth[rows], metric), weights=counts[rows]))

        return of_values
    true = class_numbers(truth, signature.classes)

    def of_probabilities(predicted: Floats, rows: Any = slice(None)) -> float:
        y_true = true[rows]
        losses = -np.log(np.maximum(predicted[np.arange(len(y_true)), y_true], _MIN_PROBABILITY))
        return float(np.average(losses, weights=counts[rows]))

    return of_probabilities


def _value_losses(predicted: Floats, truth: npt.NDArray[Any], metric: str) -> Floats:
    """Return the errors [rows] whose mean the metric is based on; for other metrics, the squared errors."""
    if metric == "rmsle":
        logarithms = [np.log1p(np.maximum(values, _MIN_WITH_LOGARITHM)) for values in (predicted, truth)]
        return np.asarray(np.square(logarithms[0] - logarithms[1]))
    error = np.abs(predicted - truth)
    if metric == "mape":
        return np.asarray(error / np.maximum(np.abs(truth), np.finfo(np.float64).eps))
    return np.asarray(error if metric in _ABSOLUTE_METRICS else np.square(error))
