"""The targets that encode categories and texts as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import TrainingTask

__all__ = ["one_vs_rest_targets"]

_MAX_CLASSES = 5


def one_vs_rest_targets(task: TrainingTask) -> list[npt.NDArray[Any]]:
    """Return the values of a regression, or booleans [rows] of the second of two classes or of the 5 most frequent."""
    target = task.train.target
    if not task.classes:
        return [target]
    classes = [1] if task.classes == 2 else np.argsort(-np.bincount(target), kind="stable")[:_MAX_CLASSES]
    return [target == label for label in classes]
