"""The weights of rows in training, metrics, intervals and blends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.dataset import Dataset

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ClassWeights", "row_weights"]

ClassWeights = Literal["balanced"] | Mapping[str, float] | None


def row_weights(
    rows: pl.DataFrame, dataset: Dataset, class_weights: ClassWeights = None
) -> npt.NDArray[np.float64] | None:
    """Compute the weight of each row: its value in the weight column times the weight of its class.

    Args:
        rows: Rows of a split, with the target and the weight column.
        dataset: Data set record with the names of both columns, and the class counts for ``balanced``.
        class_weights: Class weights of job_spec.Training; a class that is not named weighs 1. With several labels per
            row they are not used here, only in the training of each label.

    Returns:
        Weights [rows]; None: all rows count the same.
    """
    class_weights = None if dataset.targets else class_weights
    if dataset.weight is None and class_weights is None:
        return None
    weight = np.ones(rows.height)
    if dataset.weight is not None:
        weight = rows[dataset.weight].to_numpy().astype(np.float64)
    if class_weights is None:
        return weight
    of_class = _of_each_class(dataset, class_weights)
    weighted: npt.NDArray[np.float64] = weight * rows[dataset.target].replace_strict(of_class, default=1.0).to_numpy()
    return weighted


def _of_each_class(dataset: Dataset, class_weights: Literal["balanced"] | Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each class; ``balanced`` is scikit-learn's rows / (classes x rows of the class)."""
    if class_weights == "balanced":
        total, classes = sum(dataset.class_rows), len(dataset.classes)
        counts = zip(dataset.classes, dataset.class_rows, strict=True)
        return {label: total / (classes * max(1, rows)) for label, rows in counts}
    return {label: class_weights.get(label, 1.0) for label in dataset.classes}
