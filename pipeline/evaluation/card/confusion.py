"""Which classes are taken for which, and how well each is told from the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import ClassQuality, Confusion
from pipeline.contracts.signature import Signature
from pipeline.evaluation.definitions.classification import ClassCounts
from pipeline.evaluation.predictions import Answers

__all__ = ["class_quality", "confusion"]

_MOST_CLASSES = 20


def confusion(signature: Signature, truth: npt.NDArray[Any], answers: Answers) -> Confusion:
    """Of all classes, or of the most frequent ones in ``truth`` and the rest of them as one; rows count alike."""
    number = {label: index for index, label in enumerate(signature.classes)}
    wanted, given = (np.array([number[label] for label in labels]) for labels in (truth, answers.labels))
    shown = np.arange(len(number))
    if len(number) > _MOST_CLASSES:
        frequency = np.bincount(wanted, minlength=len(number))
        shown = np.sort(np.argsort(-frequency, kind="stable")[:_MOST_CLASSES])
    place = np.full(len(number), len(shown))
    place[shown] = np.arange(len(shown))
    others = len(shown) < len(number)
    side = len(shown) + others
    counts = np.bincount(place[wanted] * side + place[given], minlength=side * side).reshape(side, side)
    return Confusion(
        classes=tuple(signature.classes[index] for index in shown),
        others=others,
        counts=tuple(tuple(row) for row in counts.tolist()),
    )


def class_quality(
    signature: Signature,
    truth: npt.NDArray[Any],
    answers: Answers,
    weight: npt.NDArray[np.float64] | None = None,
) -> tuple[ClassQuality, ...]:
    """Precision, recall and F1 of each class, in the order of the signature.

    Args:
        signature: Of the model.
        truth: Labels [rows].
        answers: Predictions for the same rows.
        weight: What each row counts [rows]; None: all alike.
    """
    number = {label: index for index, label in enumerate(signature.classes)}
    wanted, labeled = (np.array([number[label] for label in labels], np.int64) for labels in (truth, answers.labels))
    counts = np.ones((1, len(truth)))
    count = ClassCounts(wanted, labeled, len(number))
    rows, predictions = (sums[0].astype(int) for sums in count(counts)[:2])
    of_class, predicted, right = (sums[0] for sums in count(counts if weight is None else weight[None]))
    return tuple(
        ClassQuality(
            label=label,
            rows=int(rows[index]),
            labeled=int(predictions[index]),
            precision=_share(right[index], predicted[index]),
            recall=_share(right[index], of_class[index]),
            f1=_share(2 * right[index], of_class[index] + predicted[index]),
        )
        for index, label in enumerate(signature.classes)
    )


def _share(count: float, of: float) -> float:
    return float(count / of) if of else 0.0
