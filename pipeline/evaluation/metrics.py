"""The metrics, in plain numpy, of weighted rows: weights of 1 give the metric, drawn counts a bootstrap sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.clusters import silhouettes
from pipeline.evaluation.definitions.classification import classification_metrics
from pipeline.evaluation.definitions.regression import regression_metrics
from pipeline.evaluation.predictions import Predictions, class_numbers
from pipeline.evaluation.several_targets import several_targets_metrics

__all__ = ["gain_interval", "interval", "measure"]

Floats = npt.NDArray[np.float64]
_Metric = Callable[[Floats], Floats]  # weights [draws, rows] -> values [draws]

_CELLS = 4_000_000  # of a block of draws: 32 MB
_WORK = 16_000_000  # rows x draws of an interval: about a second
_FREE_CLASSES = 10  # classes that AUC ranks within the work of a draw; with more it takes proportionally longer
_MIN_DRAWS, _MAX_DRAWS = 200, 1000
_NORMAL = 1.959964  # standard deviations of a normal distribution that hold 95 %


def measure(
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    *,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    only: str | None = None,
) -> dict[str, float]:
    """Measure predictions by the metrics of contracts.spec.metrics that apply; always finite for finite answers.

    ``auc`` of two classes is the area under the ROC curve, ties counting half; of more, the mean over the classes of
    one against the rest, each weighted by its rows (scikit-learn's ``ovr``, ``weighted``), so that a class of three
    rows does not decide. It is 0.5 where the rows are of one class. ``r2`` of a constant truth is 0, or 1 when it is
    met exactly.

    Args:
        signature: Its classes are in the order of the probabilities; ``positive`` names the one of two that F1 and
            average precision are of.
        truth: As scoring.truth returns it: labels, each one of the signature's classes, or values; for clustering, the
            rows as points.
        predictions: Predictions for the same rows.
        weight: Weight of each row [rows]; None: all count the same.
        only: The only metric that is computed; None: all.

    Returns:
        Metric -> value; ``f1`` of two classes alone, ``quadratic_kappa`` where the labels are numbers, ``rmsle`` where
        the truth is above -1. Of several targets each counts alike (several_targets.several_targets_metrics).
    """
    weights = np.ones((1, len(truth))) if weight is None else np.asarray(weight, np.float64)[None]
    metrics = _metrics(signature, truth, predictions, only)
    return {name: float(metric(weights)[0]) for name, metric in metrics.items()}


def interval(  # noqa: PLR0913 - what is measured, and how
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    *,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    only: str | None = None,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Estimate the 95 % interval of each metric by the percentile bootstrap, with 200 to 1,000 samples.

    That of the accuracy is Wilson's (1927), since a bootstrap sample of rows that are all right is all right too,
    however few they are; for weighted rows it has the effective number of rows (Kish 1965).

    Args:
        signature, truth, predictions, weight, only: As for ``measure``.
        seed: Seed of the bootstrap.

    Returns:
        Metric -> its bounds.
    """
    metrics = dict(_metrics(signature, truth, predictions, only))
    accuracy = metrics.pop("accuracy", None)
    counts = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    bounds = {}
    if accuracy is not None:
        effective = float(counts.sum() ** 2 / np.square(counts).sum())
        bounds["accuracy"] = _wilson(float(accuracy(counts[None])[0]), effective)
    rankings = max(1, len(signature.classes) // _FREE_CLASSES)
    return bounds | _bootstrapped(metrics, counts, seed, work=len(truth) * rankings)


def gain_interval(  # noqa: PLR0913 - what is compared, and how
    signature: Signature,
    truth: npt.NDArray[Any],
    new: Predictions,
    old: Predictions,
    *,
    metric: str,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Estimate the 95 % interval of how much better one model's predictions are than another's on the same rows.

    The bootstrap is paired: each sample of rows measures both models, so that rows that are easy or hard for both
    cancel out.

    Args:
        signature, truth, weight: As for ``measure``.
        new: Predictions of the first model.
        old: Predictions of the second model, with the signature's classes.
        metric: Name of the metric.
        seed: Seed of the bootstrap.
    """
    counts = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    of_new, of_old = (_metrics(signature, truth, predictions, metric)[metric] for predictions in (new, old))
    rankings = max(1, len(signature.classes) // _FREE_CLASSES)
    sign = 1 if greater_is_better(metric) else -1
    gain = {metric: lambda weights: sign * (of_new(weights) - of_old(weights))}
    return _bootstrapped(gain, counts, seed, work=2 * len(truth) * rankings)[metric]


def _bootstrapped(
    metrics: Mapping[str, _Metric], counts: Floats, seed: int, *, work: int
) -> dict[str, tuple[float, float]]:
    """Return bootstrap intervals of the metrics; ``work`` is the cost of one draw in the units of _WORK."""
    if not metrics:
        return {}
    rows = len(counts)
    draws = int(np.clip(_WORK // work, _MIN_DRAWS, _MAX_DRAWS))
    drawn: dict[str, list[Floats]] = {name: [] for name in metrics}
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS // rows)
    for size in (min(block, draws - start) for start in range(0, draws, block)):
        times = np.stack([np.bincount(generator.integers(rows, size=rows), minlength=rows) for _ in range(size)])
        weights = times * counts
        for name, metric in metrics.items():
            drawn[name].append(metric(weights))
    return {name: _percentile_interval(np.concatenate(values)) for name, values in drawn.items()}


def _percentile_interval(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _wilson(rate: float, rows: float) -> tuple[float, float]:
    center = (rate + _NORMAL**2 / (2 * rows)) / (1 + _NORMAL**2 / rows)
    half = _NORMAL * np.sqrt(rate * (1 - rate) / rows + (_NORMAL / (2 * rows)) ** 2) / (1 + _NORMAL**2 / rows)
    return float(min(rate, max(0.0, center - half))), float(max(rate, min(1.0, center + half)))


def _metrics(
    signature: Signature, truth: npt.NDArray[Any], predictions: Predictions, only: str | None = None
) -> dict[str, _Metric]:
    """Return the metrics of predictions; with ``only``, no other one is prepared."""
    ready: dict[str, Callable[[], _Metric]]
    if signature.targets:
        outputs = predictions.probabilities if signature.is_multilabel else predictions.values
        ready = dict(several_targets_metrics(signature, truth, outputs.astype(np.float64)))
    elif signature.task == "clustering":
        ready = {"silhouette": lambda: _silhouette(truth, predictions.labels)}
    elif signature.task == "regression":
        ready = dict(
            regression_metrics(
                truth.astype(np.float64),
                predictions.values.astype(np.float64),
                quantiles=signature.quantiles,
                answered=predictions.quantiles.astype(np.float64),
            )
        )
    else:
        ready = dict(
            classification_metrics(
                class_numbers(truth, signature.classes),
                class_numbers(predictions.labels, signature.classes),
                predictions.probabilities.astype(np.float64),
                positive=signature.positive_index,
                order=_label_numbers(signature.classes),
            )
        )
    return {name: make() for name, make in ready.items() if only in (None, name)}


def _label_numbers(classes: tuple[str, ...]) -> Floats | None:
    """Return the labels as numbers; None if one is no number."""
    try:
        numbers = np.array([float(label) for label in classes])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _silhouette(points: Floats, labels: npt.NDArray[np.object_]) -> _Metric:
    """Return the mean silhouette; bootstrap samples reuse each row's silhouette among all rows."""
    sample, widths = silhouettes(points, labels)

    def silhouette(weights: Floats) -> Floats:
        drawn = weights[:, sample]
        return np.asarray(drawn @ widths / np.maximum(drawn.sum(axis=1), 1e-300), dtype=np.float64)

    return silhouette
