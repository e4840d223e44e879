"""How raw columns become a body's two inputs: in numpy here for training, in the graph by raw_inputs.wrap.

``num`` float32 [batch, numeric and boolean columns], missing is NaN; ``cat`` int64 [batch, categorical columns],
0 is missing, 1..n are the vocabulary in its order, n + 1 is unknown. Both follow the order of the data set's columns;
a body has no input for what the data set has no column of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.dataset import ColumnProfile, Dataset

__all__ = ["CAT", "NUM", "Encoding"]

NUM, CAT = "num", "cat"


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """Which columns are in which input, in order."""

    numeric: tuple[ColumnProfile, ...]
    categorical: tuple[ColumnProfile, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls(
            numeric=tuple(column for column in dataset.columns if column.kind != "categorical"),
            categorical=tuple(column for column in dataset.columns if column.kind == "categorical"),
        )

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many ids a categorical column has, with missing and unknown."""
        return tuple(len(column.vocabulary) + 2 for column in self.categorical)

    def encode(self, frame: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
        """The body's feeds of the rows of ``frame``; ``num`` and ``cat`` may have no columns."""
        num = [frame[column.name].cast(pl.Float32).fill_null(float("nan")).to_numpy() for column in self.numeric]
        cat = [_ids(frame[column.name], column) for column in self.categorical]
        return {
            NUM: np.stack(num, axis=1) if num else np.empty((frame.height, 0), np.float32),
            CAT: np.stack(cat, axis=1) if cat else np.empty((frame.height, 0), np.int64),
        }

    def needed(self, feeds: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Without the input that a body does not have."""
        return {name: values for name, values in feeds.items() if values.shape[1]}


def _ids(series: pl.Series, column: ColumnProfile) -> npt.NDArray[np.int64]:
    known = list(column.vocabulary)
    ids = series.replace_strict(known, range(1, len(known) + 1), default=len(known) + 1, return_dtype=pl.Int64)
    return ids.set(series.is_null(), 0).to_numpy()
