"""Features that tell the target alone: they are mostly the target in other words, and not known when one asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Answers
from pipeline.evaluation.scoring import truth

__all__ = ["find_leaky_columns"]

_MOST_ROWS = 20_000
_FEWEST_ROWS = 40
_MOST_CLASSES = 50
_BINS = 100
_ROWS_A_BIN = 10
_PRIOR_ROWS = 0.1  # that each bin has of the whole's distribution
_FOLDS = 5
_LEAK_THRESHOLD = 0.99  # area under the ROC curve, or share of the target's variance
_ERROR_REDUCTION_THRESHOLD = 0.95  # share of the errors of always answering the most frequent class that it removes

Floats = npt.NDArray[np.float64]


def find_leaky_columns(
    dataset: Dataset, train: pl.DataFrame, *, seconds: float = 20.0, now: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """A warning for each column whose bins, cross-fitted, answer as well as no honest feature does.

    On at most 20,000 rows, and as many columns as ``seconds`` allow; not with more than 50 classes.
    """
    if dataset.task == "clustering" or train.height < _FEWEST_ROWS or len(dataset.classes) > _MOST_CLASSES:
        return
    end = now() + seconds
    rows = train.sample(min(train.height, _MOST_ROWS), shuffle=True, seed=0)
    targets = _targets(dataset, rows)
    for column in dataset.columns:
        if column.kind in ("text", "image"):
            continue
        if now() > end:
            return
        told = _told(_bins(rows[column.name]), targets)
        share = _of_rows(dataset, rows, targets, told) if dataset.classes else _of_variance(targets, told)
        if share is not None:
            yield (
                f"leakage: column '{column.name}' alone predicts the target '{dataset.target}' ({share}): is it known "
                f"at prediction time? If not, drop: [{column.name}]"
            )


def _targets(dataset: Dataset, rows: pl.DataFrame) -> Floats:
    """[rows, 1], or one-hot [rows, classes]."""
    wanted = truth(rows, dataset.signature)
    if not dataset.classes:
        return np.asarray(wanted[:, None], dtype=np.float64)
    number = {label: index for index, label in enumerate(dataset.classes)}
    return np.eye(len(number))[[number[label] for label in wanted]]


def _of_rows(dataset: Dataset, rows: pl.DataFrame, targets: Floats, told: Floats) -> str | None:
    """How many it is right about, where it tells them; None where it does not."""
    right, most = float((told.argmax(axis=1) == targets.argmax(axis=1)).mean()), targets.mean(axis=0).max()
    if right < most + _ERROR_REDUCTION_THRESHOLD * (1 - most):
        return None
    signature = dataset.signature
    auc = measure(signature, truth(rows, signature), Answers.of(signature, told))["auc"]
    return f"{right:.1%} of the training rows" if auc >= _LEAK_THRESHOLD else None


def _of_variance(targets: Floats, told: Floats) -> str | None:
    share = 1 - float(((targets - told) ** 2).mean() / max(targets.var(), 1e-300))
    return f"{share:.1%} of its variance" if share >= _LEAK_THRESHOLD else None


def _bins(column: pl.Series) -> npt.NDArray[np.int64]:
    if column.dtype == pl.String:
        return column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    numbers = column.cast(pl.Float64).to_numpy()
    known = numbers[~np.isnan(numbers)]
    count = max(2, min(_BINS, len(known) // _ROWS_A_BIN))
    distinct = np.unique(known)
    cuts = distinct if len(distinct) <= count else np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:-1]))
    return np.where(np.isnan(numbers), 0, np.searchsorted(cuts, numbers, side="left") + 1)


def _told(bins: npt.NDArray[np.int64], targets: Floats) -> Floats:
    """Of each row the mean target of its bin in the other folds [rows, targets]."""
    fold = np.arange(len(bins)) % _FOLDS
    width = int(bins.max()) + 1
    told = np.empty_like(targets)
    for one in range(_FOLDS):
        others = fold != one
        rows = np.bincount(bins[others], minlength=width)[:, None]
        sums = np.stack([np.bincount(bins[others], weights=t, minlength=width) for t in targets[others].T], axis=1)
        means = (sums + _PRIOR_ROWS * targets[others].mean(axis=0)) / (rows + _PRIOR_ROWS)
        told[~others] = means[bins[~others]]
    return told
