"""Target leakage: single features that predict the target almost perfectly, likely unknown at prediction time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions, class_numbers
from pipeline.evaluation.scoring import truth

__all__ = ["find_leaky_columns"]

_MAX_ROWS = 20_000
_MIN_ROWS = 40
_MAX_CLASSES = 50
_BINS = 100
_MIN_BIN_ROWS = 10
_PRIOR_ROWS = 0.1  # rows with the overall mean target that are added to each bin
_FOLDS = 5
_LEAK_THRESHOLD = 0.99  # minimum area under the ROC curve, or explained fraction of the target's variance
_ERROR_REDUCTION_THRESHOLD = 0.95  # minimum fraction of the majority class's errors that a leaky column avoids

Floats = npt.NDArray[np.float64]


def find_leaky_columns(
    dataset: Dataset, train: pl.DataFrame, *, seconds: float = 20.0, now: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Yield a warning for each column whose cross-fitted bins predict the target suspiciously well.

    At most 20,000 rows are used. After ``seconds`` no further column is tested; with more than 50 classes, none is.
    """
    if dataset.task == "clustering" or train.height < _MIN_ROWS or len(dataset.classes) > _MAX_CLASSES:
        return
    end = now() + seconds
    rows = train.sample(min(train.height, _MAX_ROWS), shuffle=True, seed=0)
    targets = _targets(dataset, rows)
    for column in dataset.columns:
        if column.kind in ("text", "image"):
            continue
        if now() > end:
            return
        predicted = _out_of_fold_means(_bins(rows[column.name]), targets)
        evidence = (
            _predicted_rows(dataset, rows, targets, predicted)
            if dataset.classes
            else _explained_variance(targets, predicted)
        )
        if evidence is not None:
            yield (
                f"leakage: column '{column.name}' alone predicts the target '{dataset.target}' ({evidence}): is it "
                f"known at prediction time? If not, drop: [{column.name}]"
            )


def _targets(dataset: Dataset, rows: pl.DataFrame) -> Floats:
    """Return the targets: values [rows, 1], or one-hot classes [rows, classes]."""
    y_true = truth(rows, dataset.signature)
    if not dataset.classes:
        return np.asarray(y_true[:, None], dtype=np.float64)
    return np.eye(len(dataset.classes))[class_numbers(y_true, dataset.classes)]


def _predicted_rows(dataset: Dataset, rows: pl.DataFrame, targets: Floats, predicted: Floats) -> str | None:
    """Return the fraction of correctly predicted rows as text; None if it does not indicate leakage."""
    accuracy, majority = float((predicted.argmax(axis=1) == targets.argmax(axis=1)).mean()), targets.mean(axis=0).max()
    if accuracy < majority + _ERROR_REDUCTION_THRESHOLD * (1 - majority):
        return None
    signature = dataset.signature
    auc = measure(signature, truth(rows, signature), Predictions.of(signature, predicted))["auc"]
    return f"{accuracy:.1%} of the training rows" if auc >= _LEAK_THRESHOLD else None


def _explained_variance(targets: Floats, predicted: Floats) -> str | None:
    explained = 1 - float(((targets - predicted) ** 2).mean() / max(targets.var(), 1e-300))
    return f"{explained:.1%} of its variance" if explained >= _LEAK_THRESHOLD else None


def _bins(column: pl.Series) -> npt.NDArray[np.int64]:
    if column.dtype == pl.String:
        return column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    numbers = column.cast(pl.Float64).to_numpy()
    present = numbers[~np.isnan(numbers)]
    count = max(2, min(_BINS, len(present) // _MIN_BIN_ROWS))
    distinct = np.unique(present)
    cuts = distinct if len(distinct) <= count else np.unique(np.quantile(present, np.linspace(0, 1, count + 1)[1:-1]))
    return np.where(np.isnan(numbers), 0, np.searchsorted(cuts, numbers, side="left") + 1)


def _out_of_fold_means(bins: npt.NDArray[np.int64], targets: Floats) -> Floats:
    """Return the mean target of each row's bin over the other folds [rows, targets]."""
    fold = np.arange(len(bins)) % _FOLDS
    width = int(bins.max()) + 1
    means_of_rows = np.empty_like(targets)
    for held in range(_FOLDS):
        is_train = fold != held
        rows = np.bincount(bins[is_train], minlength=width)[:, None]
        sums = np.stack([np.bincount(bins[is_train], weights=t, minlength=width) for t in targets[is_train].T], axis=1)
        means = (sums + _PRIOR_ROWS * targets[is_train].mean(axis=0)) / (rows + _PRIOR_ROWS)
        means_of_rows[~is_train] = means[bins[~is_train]]
    return means_of_rows
