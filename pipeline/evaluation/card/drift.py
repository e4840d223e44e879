"""Drift: columns whose distribution differs between two splits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import Drift

__all__ = ["drift", "population_stability_index"]

_BINS = 10
_MIN_PSI = 0.1  # credit scoring, where the index comes from, calls an index from 0.1 on a shift
_NOISE_SIGMAS = 4.0  # quantile of the index by chance, in standard deviations, beyond which drift is reported
_PRIOR_ROWS = 0.5  # rows added to each bin, so that a bin that is empty by chance hardly counts
_MAX_LISTED = 10


def drift(dataset: Dataset, train: pl.DataFrame, other_splits: dict[str, pl.DataFrame]) -> tuple[Drift, ...]:
    """Return features and targets with a stability index of at least 0.1 and beyond chance, the largest first."""
    names = [column.name for column in dataset.columns if column.kind not in ("text", "image")]
    names += dataset.targets or ([dataset.target] if dataset.target else [])
    drifts = []
    for split, frame in other_splits.items():
        for name in names:
            index, noise = population_stability_index(train[name], frame[name])
            if index >= max(_MIN_PSI, noise):
                drifts.append(Drift(column=name, split=split, index=round(index, 4)))
    return tuple(sorted(drifts, key=lambda entry: -entry.index)[:_MAX_LISTED])


def population_stability_index(first: pl.Series, second: pl.Series) -> tuple[float, float]:
    """Return the population stability index, and the bound that it exceeds by chance about once in 30,000 times.

    The index is the sum of (p - q) log(p / q) over bins: deciles of ``first``, or its most frequent values, and missing
    values. For two samples of one distribution, it is approximately chi-square distributed with (bins - 1) degrees of
    freedom, times the sum of 1 / rows of both samples (Yurdakul 2018). The bound is Wilson and Hilferty's approximation
    of the quantile.
    """
    counts = _counts(first, second)
    expected, observed = ((bin_counts + _PRIOR_ROWS) / (bin_counts + _PRIOR_ROWS).sum() for bin_counts in counts)
    index = float(((expected - observed) * np.log(expected / observed)).sum())
    freedom = max(1, counts.shape[1] - 1)
    variance = 2 / (9 * freedom)
    quantile = freedom * (1 - variance + _NOISE_SIGMAS * np.sqrt(variance)) ** 3
    return index, float(quantile * (1 / max(1, len(first)) + 1 / max(1, len(second))))


def _counts(first: pl.Series, second: pl.Series) -> npt.NDArray[np.float64]:
    """Count the rows of both samples in each bin [2, bins], without bins that are empty in both samples."""
    if first.dtype == pl.String:
        common = list(first.drop_nulls().value_counts(sort=True, name="rows")[first.name].head(_BINS * 2))
        bin_of_value = {value: index for index, value in enumerate(common)}

        def bins(series: pl.Series) -> npt.NDArray[np.int64]:
            ids = series.replace_strict(
                list(bin_of_value), list(bin_of_value.values()), default=len(bin_of_value), return_dtype=pl.Int64
            )
            return ids.set(series.is_null(), len(bin_of_value) + 1).to_numpy()

        width = len(bin_of_value) + 2
    else:
        values = first.drop_nulls().to_numpy().astype(np.float64)
        cuts = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1])) if values.size else np.empty(0)

        def bins(series: pl.Series) -> npt.NDArray[np.int64]:
            numbers = series.cast(pl.Float64).to_numpy()
            return np.where(np.isnan(numbers), len(cuts) + 1, np.searchsorted(cuts, numbers, side="left"))

        width = len(cuts) + 2
    counts = np.stack([np.bincount(bins(series), minlength=width) for series in (first, second)]).astype(np.float64)
    return counts[:, counts.sum(axis=0) > 0]
