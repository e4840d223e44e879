"""The confusion matrix, and precision, recall and F1 of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import ClassQuality, Confusion
from pipeline.contracts.signature import Signature
from pipeline.evaluation.definitions.classification import ClassCounts
from pipeline.evaluation.predictions import Predictions, class_numbers

__all__ = ["class_quality", "confusion"]

_MAX_CLASSES = 20


def confusion(signature: Signature, truth: npt.NDArray[Any], predictions: Predictions) -> Confusion:
    """Count the rows of each pair of true and predicted class; the classes after the 20 most frequent are merged."""
    classes = len(signature.classes)
    true_class, predicted_class = (class_numbers(labels, signature.classes) for labels in (truth, predictions.labels))
    shown = np.arange(classes)
    if classes > _MAX_CLASSES:
        frequency = np.bincount(true_class, minlength=classes)
        shown = np.sort(np.argsort(-frequency, kind="stable")[:_MAX_CLASSES])
    position = np.full(classes, len(shown))
    position[shown] = np.arange(len(shown))
    has_others = len(shown) < classes
    side = len(shown) + has_others
    counts = np.bincount(position[true_class] * side + position[predicted_class], minlength=side * side).reshape(
        side, side
    )
    return Confusion(
        classes=tuple(signature.classes[index] for index in shown),
        others=has_others,
        counts=tuple(tuple(row) for row in counts.tolist()),
    )


def class_quality(
    signature: Signature,
    truth: npt.NDArray[Any],
    predictions: Predictions,
    weight: npt.NDArray[np.float64] | None = None,
) -> tuple[ClassQuality, ...]:
    """Compute precision, recall and F1 of each class, in the order of the signature.

    Args:
        signature: Signature of the model.
        truth: Labels [rows].
        predictions: Predictions for the same rows.
        weight: Weight of each row [rows]; None: all count the same.
    """
    true_class, labeled = (class_numbers(labels, signature.classes) for labels in (truth, predictions.labels))
    counts = np.ones((1, len(truth)))
    count = ClassCounts(true_class, labeled, len(signature.classes))
    rows, predicted_rows = (sums[0].astype(int) for sums in count(counts)[:2])
    of_class, predicted, right = (sums[0] for sums in count(counts if weight is None else weight[None]))
    return tuple(
        ClassQuality(
            label=label,
            rows=int(rows[index]),
            labeled=int(predicted_rows[index]),
            precision=_ratio(right[index], predicted[index]),
            recall=_ratio(right[index], of_class[index]),
            f1=_ratio(2 * right[index], of_class[index] + predicted[index]),
        )
        for index, label in enumerate(signature.classes)
    )


def _ratio(count: float, of: float) -> float:
    return float(count / of) if of else 0.0
