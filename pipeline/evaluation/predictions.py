"""The predictions of a model for a batch of rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.contracts.signature import Signature
from pipeline.evaluation.several_targets import join_labels

__all__ = ["Predictions"]

_EMPTY: npt.NDArray[np.floating[Any]] = np.empty(0, np.float32)
_NO_LABELS = np.empty(0, object)


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Classification: ``labels`` [rows] (str) and ``probabilities`` [rows, classes]; regression: ``values`` [rows].

    Of several targets ``values`` are [rows, targets], and ``labels`` those of a row, joined. ``quantiles`` [rows,
    quantiles] where the signature has some. What the task does not have is empty.
    """

    labels: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.floating[Any]]
    values: npt.NDArray[np.floating[Any]]
    quantiles: npt.NDArray[np.floating[Any]] = field(default_factory=lambda: _EMPTY.reshape(0, 0))

    @classmethod
    def of(cls, signature: Signature, predicted: npt.NDArray[np.floating[Any]]) -> Self:
        """Make predictions of calibrated probabilities [rows, classes], values [rows] or [rows, 1 + quantiles].

        Each row's label is the first most probable class, or where the signature has a threshold, the positive class
        from that probability on.
        """
        none = _EMPTY.reshape(0, 0)
        if signature.targets and signature.is_multilabel:
            return cls(labels=join_labels(signature, predicted), probabilities=predicted, values=_EMPTY)
        if signature.targets:
            return cls(labels=_NO_LABELS, probabilities=none, values=predicted)
        if signature.task != "regression":
            label = predicted.argmax(axis=1)
            if signature.threshold is not None:
                positive = signature.positive_index
                label = np.where(predicted[:, positive] >= signature.threshold, positive, 1 - positive)
            labels = np.array(signature.classes, dtype=object)[label]
            return cls(labels=labels, probabilities=predicted, values=_EMPTY)
        if predicted.ndim == 2:
            return cls(labels=_NO_LABELS, probabilities=none, values=predicted[:, 0], quantiles=predicted[:, 1:])
        return cls(labels=_NO_LABELS, probabilities=none, values=predicted)
