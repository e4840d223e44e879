"""Metrics of weighted rows in numpy; the weights of a bootstrap sample are how often each row was drawn."""

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

_CELLS = 4_000_000  # maximum draws x rows of a block: 32 MB
_WORK = 16_000_000  # target of draws x rows for an interval, about a second
_MAX_UNSCALED_CLASSES = 10  # with more classes, a draw's cost is scaled up: AUC ranks the rows once per class
_MIN_DRAWS, _MAX_DRAWS = 200, 1000
_NORMAL = 1.959964  # half-width of the central 95 % of a normal distribution, in standard deviations


def measure(
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    *,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    only: str | None = None,
) -> dict[str, float]:
    """Compute all metrics of contracts.spec.metrics that apply; they are finite if the predictions are finite.

    For two classes, ``auc`` is the area under the ROC curve, in which ties count half. For more classes, it is the mean
    of the one-vs-rest areas, weighted by the rows of each class (scikit-learn's ``ovr`` and ``weighted``), so that rare
    classes have little influence. It is 0.5 if all rows have the same class. ``r2`` of a constant truth is 0, or 1 if
    the predictions are exact.

    Args:
        signature: Signature with the classes in the order of the probabilities, and the positive class of two, for
            which F1 and average precision are computed.
        truth: Labels or values [rows], as scoring.truth returns them; for clustering, the rows as points.
        predictions: Predictions for the same rows.
        weight: Weight of each row [rows]; None: all count the same.
        only: Name of the only metric to compute; None: all metrics.

    Returns:
        Values by metric. ``f1`` requires two classes, ``quadratic_kappa`` labels that are numbers, and ``rmsle`` true
        values above -1. With several targets, metrics are means (several_targets.several_targets_metrics).
    """
    weights = np.ones((1, len(truth))) if weight is None else np.asarray(weight, np.float64)[None]
    metrics = _metrics(signature, truth, predictions, only)
    return {name: float(metric(weights)[0]) for name, metric in metrics.items()}


def interval(  # noqa: PLR0913 - the arguments of measure, and a seed
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    *,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    only: str | None = None,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Estimate the 95 % interval of each metric by the percentile bootstrap, with 200 to 1,000 samples.

    The interval of the accuracy is Wilson's (1927): if all rows are predicted correctly, all bootstrap samples are,
    too, however few rows there are. For weighted rows it uses the effective number of rows (Kish 1965).

    Args:
        signature, truth, predictions, weight, only: As for ``measure``.
        seed: Seed of the bootstrap.

    Returns:
        Bounds (low, high) by metric.
    """
    metrics = dict(_metrics(signature, truth, predictions, only))
    accuracy = metrics.pop("accuracy", None)
    counts = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    bounds = {}
    if accuracy is not None:
        effective = float(counts.sum() ** 2 / np.square(counts).sum())
        bounds["accuracy"] = _wilson(float(accuracy(counts[None])[0]), effective)
    rankings = max(1, len(signature.classes) // _MAX_UNSCALED_CLASSES)
    return bounds | _bootstrapped(metrics, counts, seed, work=len(truth) * rankings)


def gain_interval(  # noqa: PLR0913 - two predictions, a metric and a seed
    signature: Signature,
    truth: npt.NDArray[Any],
    new: Predictions,
    old: Predictions,
    *,
    metric: str,
    weight: npt.NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Estimate the 95 % interval of the gain of one model over another on the same rows.

    The bootstrap is paired: both models are measured on each sample of rows, so that rows that are easy or hard for
    both cancel out.

    Args:
        signature, truth, weight: As for ``measure``.
        new: Predictions of the first model.
        old: Predictions of the second model, with the signature's classes.
        metric: Name of the metric.
        seed: Seed of the bootstrap.

    Returns:
        Bounds (low, high) of the gain, which is positive if the first model is better.
    """
    counts = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    of_new, of_old = (_metrics(signature, truth, predictions, metric)[metric] for predictions in (new, old))
    rankings = max(1, len(signature.classes) // _MAX_UNSCALED_CLASSES)
    sign = 1 if greater_is_better(metric) else -1
    gain = {metric: lambda weights: sign * (of_new(weights) - of_old(weights))}
    return _bootstrapped(gain, counts, seed, work=2 * len(truth) * rankings)[metric]


def _bootstrapped(
    metrics: Mapping[str, _Metric], counts: Floats, seed: int, *, work: int
) -> dict[str, tuple[float, float]]:
    """Return bootstrap intervals of the metrics; ``work`` is the cost of one draw in units of _WORK."""
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
    """Return the metrics as functions of row weights; with ``only``, only this metric is prepared."""
    factories: dict[str, Callable[[], _Metric]]
    if signature.targets:
        outputs = predictions.probabilities if signature.is_multilabel else predictions.values
        factories = dict(several_targets_metrics(signature, truth, outputs.astype(np.float64)))
    elif signature.task == "clustering":
        factories = {"silhouette": lambda: _silhouette(truth, predictions.labels)}
    elif signature.task == "regression":
        factories = dict(
            regression_metrics(
                truth.astype(np.float64),
                predictions.values.astype(np.float64),
                quantiles=signature.quantiles,
                predicted_quantiles=predictions.quantiles.astype(np.float64),
            )
        )
    else:
        factories = dict(
            classification_metrics(
                class_numbers(truth, signature.classes),
                class_numbers(predictions.labels, signature.classes),
                predictions.probabilities.astype(np.float64),
                positive=signature.positive_index,
                order=_label_numbers(signature.classes),
            )
        )
    return {name: make() for name, make in factories.items() if only in (None, name)}


def _label_numbers(classes: tuple[str, ...]) -> Floats | None:
    """Return the labels as numbers; None if a label is not a finite number."""
    try:
        numbers = np.array([float(label) for label in classes])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _silhouette(points: Floats, labels: npt.NDArray[np.object_]) -> _Metric:
    """Return the mean silhouette; bootstrap samples reuse the rows' silhouettes instead of computing them anew."""
    sample, widths = silhouettes(points, labels)

    def silhouette(weights: Floats) -> Floats:
        drawn = weights[:, sample]
        return np.asarray(drawn @ widths / np.maximum(drawn.sum(axis=1), 1e-300), dtype=np.float64)

    return silhouette
