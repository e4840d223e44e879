"""A weighted blend of the best candidates: greedy ensemble selection (Caruana et al. 2004) on the validation rows.

Of up to 20,000 rows, on out-of-fold predictions, it is bagged as they propose: the mean of the weights of ten halves.
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
from pipeline.evaluation.predictions import Answers
from pipeline.evaluation.ranking import ranking_score

__all__ = ["Blend", "blend_weights", "fit_blend"]

Floats = npt.NDArray[np.floating[Any]]

_ROUNDS = 40  # of the selection: weights are multiples of 1/40
_MIN_WEIGHT = 0.04
_FOLDS = 5
_RESAMPLES = 10
_MIN_WITH_LOGARITHM = -1 + 1e-9  # of one plus it
_ABSOLUTE = frozenset({"mae", "median_absolute_error", "d2_absolute_error", "pinball"})  # metrics of absolute errors
_MAX_BAGGED_ROWS = 20_000  # of more, halves of them hardly differ, and ten selections cost minutes
_SURE = 1e-7  # a probability no smaller than this, so that one row's mistake is no infinity


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend:
    """``weights``: candidate -> its share, the largest first. ``answers``: as one of its members'.

    ``cross_fitted``: likewise, each row by weights that it had no part in.
    ``why``: what it was kept or left out for. ``better``: it beats the best single candidate on rows that its weights
    were not fitted to.
    """

    weights: dict[str, float]
    answers: Floats
    cross_fitted: Floats
    why: str
    better: bool


def fit_blend(  # noqa: PLR0913 - what is blended, and what it is measured by
    answers: dict[str, Floats],
    truth: npt.NDArray[Any],
    signature: Signature,
    metric: str,
    *,
    weight: Floats | None = None,
    rule: ThresholdRule | None = None,
    by_folds: bool = False,
) -> Blend:
    """``answers``: of two candidates or more on the same rows, probabilities [rows, classes] or values [rows].

    The weights are fitted on all rows; whether they are worth it is told by cross-fitting: each fifth of the rows is
    answered with weights that were found on the others. ``by_folds``: each row is answered out of its fold.
    ``weight``: what each row counts [rows]. ``rule``: where the threshold of labels comes from, which metrics of labels
    are measured by.
    """
    names = list(answers)
    stacked = np.stack([answers[name].astype(np.float64) for name in names])
    losses = _losses(truth, signature, metric, weight)
    weigh = _bagged_weights if by_folds and len(truth) <= _MAX_BAGGED_ROWS else _weights_of
    everything = np.arange(len(truth))
    fitted = weigh(stacked, losses, everything)
    honest = np.empty_like(stacked[0])
    fold = np.random.default_rng(0).permutation(len(truth)) % _FOLDS
    for number in range(_FOLDS):
        held = fold == number
        honest[held] = np.tensordot(weigh(stacked, losses, everything[~held]), stacked[:, held], axes=1)

    def quality(given: Floats) -> dict[str, float]:
        decided = decide(signature, truth, Answers.of(signature, given), rule, weight, calibrates=False)
        return measure(signature, truth, decided.answers, weight=weight)

    singles = {name: quality(given) for name, given in zip(names, stacked, strict=True)}
    best = max(singles, key=lambda name: ranking_score(singles[name], metric))
    found = quality(honest)
    shares = _shares(names, fitted)
    own, other = (ranking_score(one, metric) for one in (found, singles[best]))
    better = len(shares) > 1 and own > other
    return Blend(
        weights=shares,
        answers=np.tensordot(fitted, stacked, axes=1),
        cross_fitted=honest,
        better=better,
        why=_why(shares, metric, [f"{one[metric]:.6g}" for one in (found, singles[best])], best, better),
    )


def _why(shares: dict[str, float], metric: str, found: Sequence[str], best: str, better: bool) -> str:
    """``found``: the blend's quality, and that of the best alone."""
    if len(shares) == 1:
        return f"no other candidate improves {next(iter(shares))}"
    told = " + ".join(f"{share:.2f} {name}" for name, share in shares.items())
    own, other = found
    return f"{told}: cross-fitted {metric} {own}, {'better than' if better else 'no better than'} {other} of {best}"


def _shares(names: Sequence[str], weights: Floats) -> dict[str, float]:
    """The largest first, in ten thousandths that sum to 1."""
    most, *others = sorted(zip(names, weights, strict=True), key=lambda one: -one[1])
    rest = {name: round(float(weight), 4) for name, weight in others if weight > 0}
    return {most[0]: round(1 - sum(rest.values()), 4), **rest}


def _weights_of(stacked: Floats, losses: Callable[..., float], rows: npt.NDArray[np.int64]) -> Floats:
    return blend_weights(stacked[:, rows], lambda given: losses(given, rows))


def _bagged_weights(stacked: Floats, losses: Callable[..., float], rows: npt.NDArray[np.int64]) -> Floats:
    random = np.random.default_rng(0)
    halves = [np.sort(random.permutation(rows)[: len(rows) // 2]) for _ in range(_RESAMPLES)]
    weights: Floats = np.mean([_weights_of(stacked, losses, half) for half in halves], axis=0)
    return _drop_small_weights(weights)


def _drop_small_weights(weights: Floats) -> Floats:
    """Those that cost size and latency for nothing are 0, but for the largest; the others sum to 1."""
    kept = np.where(weights < min(_MIN_WEIGHT * weights.sum(), weights.max()), 0.0, weights)
    found: Floats = kept / kept.sum()
    return found


def blend_weights(stacked: Floats, losses: Callable[..., float]) -> Floats:
    """The weights [members] of ``stacked`` [members, rows, ...], which sum to 1.

    Members are taken one at a time, again if need be, each time the one that makes the mean's loss least.
    """
    taken = np.zeros(len(stacked))
    total = np.zeros_like(stacked[0])
    for count in range(1, _ROUNDS + 1):
        one = int(np.argmin([losses((total + member) / count) for member in stacked]))
        taken[one] += 1
        total = total + stacked[one]
    return _drop_small_weights(taken)


def _loss_of_targets(  # noqa: PLR0913, PLR0917 - what is blended, and what it is measured by
    truth: Floats, signature: Signature, metric: str, counts: Floats, given: Floats, rows: Any = slice(None)
) -> float:
    """The mean over several targets: errors in the target's standard deviations, or each label's log loss."""
    wanted = truth[rows]
    if signature.is_multilabel:
        sure = np.clip(given, _SURE, 1 - _SURE)
        lost = -(wanted * np.log(sure) + (1 - wanted) * np.log(1 - sure))
    else:
        error = (given - wanted) / np.maximum(truth.std(axis=0), np.finfo(np.float64).tiny)
        lost = np.abs(error) if metric == "mae" else np.square(error)
    return float(np.average(lost.mean(axis=1), weights=counts[rows]))


def _losses(truth: npt.NDArray[Any], signature: Signature, metric: str, weight: Floats | None) -> Callable[..., float]:
    """What the weights make least, of answers to all rows or to ``rows``: smooth, where the metric itself has steps."""
    counts = np.ones(len(truth)) if weight is None else weight.astype(np.float64)
    if signature.targets:
        return partial(_loss_of_targets, truth, signature, metric, counts)
    if signature.task == "regression":

        def of_values(predicted: Floats, rows: Any = slice(None)) -> float:
            return float(np.average(_value_losses(predicted, truth[rows], metric), weights=counts[rows]))

        return of_values
    column = {label: index for index, label in enumerate(signature.classes)}
    true = np.array([column[label] for label in truth])

    def of_probabilities(given: Floats, rows: Any = slice(None)) -> float:
        wanted = true[rows]
        surprise = -np.log(np.maximum(given[np.arange(len(wanted)), wanted], _SURE))
        return float(np.average(surprise, weights=counts[rows]))

    return of_probabilities


def _value_losses(predicted: Floats, truth: npt.NDArray[Any], metric: str) -> Floats:
    """What the metric is a mean of [rows]; of others the squared errors."""
    if metric == "rmsle":
        logarithms = [np.log1p(np.maximum(values, _MIN_WITH_LOGARITHM)) for values in (predicted, truth)]
        return np.asarray(np.square(logarithms[0] - logarithms[1]))
    error = np.abs(predicted - truth)
    if metric == "mape":
        return np.asarray(error / np.maximum(np.abs(truth), np.finfo(np.float64).eps))
    return np.asarray(error if metric in _ABSOLUTE else np.square(error))
