"""The rows that a trial learns from and is scored on: seeded and stratified.

Vocabularies and a regression's scale are computed from all training rows, since they do not depend on single labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import Rows, TrainingTask
from pipeline.training.resampling import folds

__all__ = ["make_folds", "sample"]

_Indices = npt.NDArray[np.int64]


def make_folds(task: TrainingTask, cv: int | None) -> tuple[tuple[TrainingTask, ...], str]:
    """Make the tasks that a trial is scored on.

    Args:
        task: The task of the candidate.
        cv: Number of folds of the training rows; None: trials are scored on the validation rows.

    Returns:
        The tasks, and a note if there are fewer folds than ``cv``. Each fold holds out rows of at least two classes and
        trains on rows of all classes. If there are too few rows, there are fewer folds, or trials are scored on the
        validation rows.
    """
    if cv is None:
        return (task,), ""
    possible = min(cv, _max_folds(task))
    if possible < 2:
        return (task,), (
            f"cross-validation in {cv} folds would leave folds with rows of one class (or none): "
            "the settings were compared on the validation rows"
        )
    tasks = tuple(
        replace(task, train=task.train.take(fold.train), validation=task.train.take(fold.held))
        for fold in folds.make_folds(task.train, task.classes, possible, task.seed)
    )
    if not tasks:
        return (task,), (
            f"cross-validation in {cv} folds would leave classes without rows to train on: the settings were compared "
            "on the validation rows"
        )
    if len(tasks) == cv:
        return tasks, ""
    return tasks, f"cross-validation in {len(tasks)} folds: {cv} would leave folds with rows of one class"


def sample(rows: Rows, fraction: float, *, classes: int, seed: int) -> Rows:
    """Return a random fraction of the rows, stratified with at least one row of each class, in their order."""
    if fraction >= 1:
        return rows
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(group)[: max(1, round(fraction * len(group)))] for group in _groups(rows, classes)]
    return rows.take(np.sort(np.concatenate(chosen)))


def _max_folds(task: TrainingTask) -> int:
    if not task.classes:
        return len(task.train) // 2
    counts = np.sort(np.bincount(task.train.target, minlength=task.classes))
    return int(counts[-2])


def _groups(rows: Rows, classes: int) -> list[_Indices]:
    """Return the row indices of each class; for a regression, one group with all rows."""
    target: npt.NDArray[Any] = rows.target
    if not classes:
        return [np.arange(len(target))]
    return [indices for label in range(classes) if len(indices := np.flatnonzero(target == label))]
