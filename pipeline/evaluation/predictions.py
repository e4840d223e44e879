"""The predictions of a model for a batch of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.several_targets import join_labels

__all__ = ["Predictions", "class_numbers"]


def _empty_matrix() -> npt.NDArray[np.floating[Any]]:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """The predictions for a batch of rows; arrays that the task does not have are empty.

    Args:
        labels: Labels of a classification [rows]; several labels of a row are joined to one string.
        probabilities: Probabilities of a classification [rows, classes].
        values: Values of a regression [rows], or of several targets [rows, targets].
        quantiles: Quantiles of a regression [rows, quantiles].
    """

    labels: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, object))
    probabilities: npt.NDArray[np.floating[Any]] = field(default_factory=_empty_matrix)
    values: npt.NDArray[np.floating[Any]] = field(default_factory=lambda: np.empty(0, np.float32))
    quantiles: npt.NDArray[np.floating[Any]] = field(default_factory=_empty_matrix)

    @classmethod
    def of(cls, signature: Signature, predicted: npt.NDArray[np.floating[Any]]) -> Self:
        """Make predictions from calibrated probabilities [rows, classes], values [rows] or [rows, 1 + quantiles].

        The label of a row is the most probable class, the first one of ties. If the signature has a threshold, it is
        the positive class from that probability on, else the other class.
        """
        if signature.targets and signature.is_multilabel:
            return cls(labels=join_labels(signature, predicted), probabilities=predicted)
        if signature.targets:
            return cls(values=predicted)
        if signature.task != "regression":
            label = predicted.argmax(axis=1)
            if signature.threshold is not None:
                positive = signature.positive_index
                label = np.where(predicted[:, positive] >= signature.threshold, positive, 1 - positive)
            labels = np.array(signature.classes, dtype=object)[label]
            return cls(labels=labels, probabilities=predicted)
        if predicted.ndim == 2:
            return cls(values=predicted[:, 0], quantiles=predicted[:, 1:])
        return cls(values=predicted)

    def take(self, rows: npt.NDArray[np.int64]) -> Predictions:
        """Return the predictions for these rows."""
        outputs = {output.name: getattr(self, output.name) for output in fields(self)}
        return Predictions(**{name: values[rows] for name, values in outputs.items() if len(values)})


def class_numbers(labels: Iterable[str], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the index of each label's class [rows]."""
    number = {label: index for index, label in enumerate(classes)}
    return np.array([number[label] for label in labels], np.int64)
