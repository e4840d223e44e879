"""Truth, labels and metrics of several targets; metrics are averaged as in scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.definitions.classification import classification_metrics
from pipeline.evaluation.definitions.regression import regression_metrics

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LABEL_THRESHOLD", "join_labels", "several_targets_metrics", "several_truths"]

LABEL_THRESHOLD = 0.5  # minimum probability of a label to be predicted

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats], Floats]  # weights [draws, rows] -> values [draws]


def several_truths(frame: pl.DataFrame, signature: Signature) -> Floats:
    """Return the targets of each row [rows, targets]: numbers, or 1 for a label that the row has."""
    columns = [frame[name] for name in signature.targets]
    if signature.is_multilabel:
        columns = [column == "yes" for column in columns]
    return np.stack([column.to_numpy().astype(np.float64) for column in columns], axis=1)


def join_labels(signature: Signature, probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.object_]:
    """Return the labels of each row, joined as the served file joins them [rows]."""
    names, separator = signature.classes, signature.separator
    rows = (probabilities >= LABEL_THRESHOLD).tolist()
    texts = [separator.join(name for name, has in zip(names, row, strict=True) if has) for row in rows]
    return np.array(texts, dtype=object)


def several_targets_metrics(
    signature: Signature, truth: Floats, predicted: Floats
) -> Mapping[str, Callable[[], Metric]]:
    """Return a factory of each metric over all targets by name (scikit-learn's ``multioutput='uniform_average'``).

    For labels, ``accuracy`` is the fraction of rows whose labels are all correct; ``log_loss``, ``auc``,
    ``average_precision`` and ``f1_macro`` are means over the labels; ``f1_micro`` pools all labels of all rows.

    Args:
        signature: Signature of several targets.
        truth: Truth, as ``several_truths`` returns it.
        predicted: Values, or probabilities of the labels [rows, targets].
    """
    metrics_of_target = _metrics_of_each_target(signature, truth, predicted)
    means = {
        name: partial(_mean_of, [factories[name] for factories in metrics_of_target])
        for name in metrics_of_target[0]
        if all(name in factories for factories in metrics_of_target)
    }
    if not signature.is_multilabel:
        return means
    has, is_predicted = truth > 0, predicted >= LABEL_THRESHOLD
    is_right = (has == is_predicted).all(axis=1).astype(np.float64)
    return {
        "log_loss": means["log_loss"],
        "accuracy": lambda: lambda weights: np.asarray(weights @ is_right / weights.sum(axis=1)),
        "f1_macro": means["f1"],
        "f1_micro": lambda: partial(_f1_micro, has, is_predicted),
        "auc": means["auc"],
        "average_precision": means["average_precision"],
    }


def _metrics_of_each_target(
    signature: Signature, truth: Floats, predicted: Floats
) -> list[Mapping[str, Callable[[], Metric]]]:
    """Return the metric factories of each target or label."""
    columns = zip(truth.T, predicted.T, strict=True)
    if not signature.is_multilabel:
        return [regression_metrics(values, predicted_values) for values, predicted_values in columns]
    return [
        classification_metrics(
            has.astype(np.int64),
            (probability >= LABEL_THRESHOLD).astype(np.int64),
            np.stack([1 - probability, probability], axis=1),
            positive=1,
            order=None,
        )
        for has, probability in columns
    ]


def _mean_of(factories: Sequence[Callable[[], Metric]]) -> Metric:
    metrics = [make() for make in factories]
    return lambda weights: np.asarray(np.mean([metric(weights) for metric in metrics], axis=0))


def _f1_micro(has: npt.NDArray[np.bool_], is_predicted: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    hits, errors = weights @ (has & is_predicted).sum(axis=1), weights @ (has ^ is_predicted).sum(axis=1)
    return np.asarray(np.where(hits + errors > 0, 2 * hits / np.maximum(2 * hits + errors, 1e-300), 0.0))
