"""A weighted blend of the best candidates: greedy ensemble selection (Caruana et al. 2004) on the validation rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.job_spec import greater_is_better
from pipeline.contracts.signature import Signature
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.metrics import measure

__all__ = ["Blend", "blend_weights", "find_blend"]

Floats = npt.NDArray[np.floating[Any]]

_ROUNDS = 40  # of the selection: weights are multiples of 1/40
_LEAST_WEIGHT = 0.04  # below it a member costs size and latency for nothing
_FOLDS = 5
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


def find_blend(answers: dict[str, Floats], truth: npt.NDArray[Any], signature: Signature, metric: str) -> Blend:
    """``answers``: of two candidates or more on the same rows, probabilities [rows, classes] or values [rows].

    The weights are fitted on all rows; whether they are worth it is told by cross-fitting: each fifth of the rows is
    answered with weights that were found on the others.
    """
    names = list(answers)
    stacked = np.stack([answers[name].astype(np.float64) for name in names])
    losses = _losses(truth, signature, metric)
    fitted = blend_weights(stacked, losses)
    honest = np.empty_like(stacked[0])
    fold = np.random.default_rng(0).permutation(len(truth)) % _FOLDS
    for number in range(_FOLDS):
        held = fold == number
        weights = blend_weights(stacked[:, ~held], lambda given, rest=~held: losses(given, rest))
        honest[held] = np.tensordot(weights, stacked[:, held], axes=1)

    def quality(given: Floats) -> float:
        return measure(signature, truth, Answers.of(signature, given))[metric]

    sign = 1 if greater_is_better(metric) else -1
    singles = {name: quality(given) for name, given in zip(names, stacked, strict=True)}
    best = max(singles, key=lambda name: sign * singles[name])
    found = quality(honest)
    shares = {name: round(float(weight), 4) for name, weight in zip(names, fitted, strict=True) if weight > 0}
    shares = dict(sorted(shares.items(), key=lambda one: -one[1]))
    better = len(shares) > 1 and sign * found > sign * singles[best]
    told = " + ".join(f"{share:.2f} {name}" for name, share in shares.items())
    return Blend(
        weights=shares,
        answers=np.tensordot(fitted, stacked, axes=1),
        cross_fitted=honest,
        better=better,
        why=(
            f"{told}: cross-fitted {metric} {found:.6g}, {'better than' if better else 'no better than'} "
            f"{singles[best]:.6g} of {best}"
        ),
    )


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
    taken[taken < _LEAST_WEIGHT * _ROUNDS] = 0
    weights: Floats = taken / taken.sum()
    return weights


def _losses(truth: npt.NDArray[Any], signature: Signature, metric: str) -> Callable[..., float]:
    """What the weights make least, of answers to all rows or to ``rows``: smooth, where the metric itself has steps."""
    if signature.task == "regression":

        def of_values(given: Floats, rows: Any = slice(None)) -> float:
            error = given - truth[rows]
            return float(np.abs(error).mean() if metric == "mae" else np.square(error).mean())

        return of_values
    column = {label: index for index, label in enumerate(signature.classes)}
    true = np.array([column[label] for label in truth])

    def of_probabilities(given: Floats, rows: Any = slice(None)) -> float:
        wanted = true[rows]
        return float(-np.log(np.maximum(given[np.arange(len(wanted)), wanted], _SURE)).mean())

    return of_probabilities
