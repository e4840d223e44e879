"""The metrics, in plain numpy, each over weighted rows: all weights one is the metric, drawn counts its bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.clusters import silhouettes
from pipeline.evaluation.predictions import Answers

__all__ = ["interval", "measure"]

Floats = npt.NDArray[np.float64]
_Metric = Callable[[Floats], Floats]  # weights [draws, rows] -> values [draws]

_LEAST_PROBABILITY = float(np.finfo(np.float32).eps)  # what scikit-learn clips float32 probabilities to
_CELLS = 4_000_000  # of a block of draws: 32 MB
_WORK = 16_000_000  # rows x draws that an interval may cost: about a second
_FEWEST_DRAWS, _MOST_DRAWS = 200, 1000
_NORMAL = 1.959964  # standard deviations of a normal distribution that hold 95 %


def measure(
    signature: Signature, truth: npt.NDArray[Any], answers: Answers, *, only: str | None = None
) -> dict[str, float]:
    """Classification: accuracy, auc, log_loss; regression: rmse, mae, r2; clustering: silhouette.

    Always finite for finite answers. ``truth`` is as scoring.truth gives it: labels, each one of the signature's
    classes, or values; of clustering, which has none, where the rows lie. ``auc`` of two
    classes is the area under the ROC curve, ties counting half; of more, the mean over the classes of one against the
    rest, each weighted by its rows (scikit-learn's ``ovr``, ``weighted``), so that a class of three rows does not
    decide. It is 0.5 where the rows are of one class. ``r2`` of a constant truth is 0, or 1 when it is met exactly.
    ``only``: the one that is wanted.
    """
    weights = np.ones((1, len(truth)))
    metrics = _metrics(signature, truth, answers, only)
    return {name: float(metric(weights)[0]) for name, metric in metrics.items() if only in (None, name)}


def interval(
    signature: Signature, truth: npt.NDArray[Any], answers: Answers, *, only: str | None = None, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Each metric's 95 % interval (``only``: of that one): percentiles over rows drawn anew (200 to 1,000 times).

    Accuracy's is Wilson's (1927): rows that are all right, drawn anew, are all right, however few they are.
    """
    rows = len(truth)
    metrics = _metrics(signature, truth, answers, only)
    wanted = {name: metric for name, metric in metrics.items() if only in (None, name)}
    share = wanted.pop("accuracy", None)
    found = {} if share is None else {"accuracy": _wilson(float(share(np.ones((1, rows)))[0]), rows)}
    return found | _bootstrapped(wanted, rows, seed)


def _bootstrapped(metrics: Mapping[str, _Metric], rows: int, seed: int) -> dict[str, tuple[float, float]]:
    if not metrics:
        return {}
    draws = int(np.clip(_WORK // rows, _FEWEST_DRAWS, _MOST_DRAWS))
    drawn: dict[str, list[Floats]] = {name: [] for name in metrics}
    generator = np.random.default_rng(seed)
    for size in _blocks(draws, max(1, _CELLS // rows)):
        weights = np.stack([np.bincount(generator.integers(rows, size=rows), minlength=rows) for _ in range(size)])
        for name, metric in metrics.items():
            drawn[name].append(metric(weights.astype(np.float64)))
    return {name: _percentile_interval(np.concatenate(values)) for name, values in drawn.items()}


def _blocks(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def _percentile_interval(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _wilson(share: float, rows: int) -> tuple[float, float]:
    centre = (share + _NORMAL**2 / (2 * rows)) / (1 + _NORMAL**2 / rows)
    half = _NORMAL * np.sqrt(share * (1 - share) / rows + (_NORMAL / (2 * rows)) ** 2) / (1 + _NORMAL**2 / rows)
    return float(min(share, max(0.0, centre - half))), float(max(share, min(1.0, centre + half)))


def _metrics(
    signature: Signature, truth: npt.NDArray[Any], answers: Answers, only: str | None = None
) -> Mapping[str, _Metric]:
    """``only``: the one that is wanted; what would cost more is then left out."""
    if signature.task == "clustering":
        return _clustering(truth, answers.labels)
    if signature.task == "regression":
        return _regression(truth.astype(np.float64), answers.values.astype(np.float64))
    number = {label: index for index, label in enumerate(signature.classes)}
    right = (answers.labels == truth).astype(np.float64)
    return _classification(
        right, np.array([number[label] for label in truth]), answers.probabilities.astype(np.float64), only
    )


def _classification(
    right: Floats, truth: npt.NDArray[np.int64], probabilities: Floats, only: str | None
) -> Mapping[str, _Metric]:
    of_truth = probabilities[np.arange(len(truth)), truth]
    surprise = -np.log(np.clip(of_truth, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    area = {"auc": _auc(truth, probabilities)} if only in (None, "auc") else {}
    return {
        "accuracy": lambda weights: _mean(right, weights),
        **area,
        "log_loss": lambda weights: _mean(surprise, weights),
    }


def _clustering(places: Floats, labels: npt.NDArray[np.object_]) -> Mapping[str, _Metric]:
    """Drawn rows keep the silhouette that they have among all: drawing would only move rows onto themselves."""
    sample, widths = silhouettes(places, labels)

    def silhouette(weights: Floats) -> Floats:
        drawn = weights[:, sample]
        return np.asarray(drawn @ widths / np.maximum(drawn.sum(axis=1), 1), dtype=np.float64)

    return {"silhouette": silhouette}


def _regression(truth: Floats, values: Floats) -> Mapping[str, _Metric]:
    error = values - truth
    centred = truth - truth.mean()

    def r2(weights: Floats) -> Floats:
        left = _mean(error**2, weights)
        spread = _mean(centred**2, weights) - _mean(centred, weights) ** 2
        constant = spread <= 0
        share = 1 - left / np.where(constant, 1, spread)
        return np.where(constant, (left == 0).astype(np.float64), share)

    return {
        "rmse": lambda weights: np.sqrt(_mean(error**2, weights)),
        "mae": lambda weights: _mean(np.abs(error), weights),
        "r2": r2,
    }


def _mean(scores: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ scores / weights.sum(axis=1), dtype=np.float64)


def _auc(truth: npt.NDArray[np.int64], probabilities: Floats) -> _Metric:
    if probabilities.shape[1] == 2:
        area = _roc_auc(truth == 1, probabilities[:, 1])
        return lambda weights: area(weights)[0]
    areas = [_roc_auc(truth == label, probabilities[:, label]) for label in np.unique(truth)]

    def weighted(weights: Floats) -> Floats:
        values, rows = (np.stack(part) for part in zip(*(area(weights) for area in areas), strict=True))
        return np.asarray((values * rows).sum(axis=0) / rows.sum(axis=0), dtype=np.float64)

    return weighted


def _roc_auc(positive: npt.NDArray[np.bool_], scores: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Weights [draws, rows] -> the area under the ROC curve, and the weight of the positive rows."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    is_positive = positive[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # of groups of equal scores

    def area(weights: Floats) -> tuple[Floats, Floats]:
        ordered = weights[:, order]
        above = np.add.reduceat(ordered * is_positive, starts, axis=1)
        below = np.add.reduceat(ordered * (1 - is_positive), starts, axis=1)
        won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
        positives, negatives = above.sum(axis=1), below.sum(axis=1)
        pairs = positives * negatives
        return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), 0.5), positives

    return area
