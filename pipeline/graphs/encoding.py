"""Encode raw columns as a body's inputs: in numpy, for training; ``served_graph`` does the same in the graph.

``num`` float32 [batch, numeric and boolean columns, then the features of each date (graphs.dates)]: missing is NaN;
the center of a wide column is subtracted in float64, since float32 can represent the difference, but not a counter near
1e9. ``cat`` int64 [batch, categorical columns]: 0 is missing, 1..n are the vocabulary in order, n + 1 is unknown.
``text`` str [batch, text columns]: missing is ''. ``image`` uint8 [batch, height, width, channels]: the only image
column. Columns are in the order of the data set; a body has only the inputs that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import ColumnProfile, Dataset
from pipeline.evaluation.scoring import pixels
from pipeline.graphs.dates import date_features

__all__ = ["CAT", "IMAGE", "NUM", "TEXT", "Encoding", "centers"]

NUM, CAT, TEXT, IMAGE = "num", "cat", "text", "image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """The columns of each input, in order."""

    numeric: tuple[ColumnProfile, ...]
    categorical: tuple[ColumnProfile, ...]
    dates: tuple[ColumnProfile, ...] = ()
    text: tuple[ColumnProfile, ...] = ()
    image: ColumnProfile | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Derive the encoding from the columns of a data set."""

        def of_kinds(*kinds: str) -> tuple[ColumnProfile, ...]:
            return tuple(column for column in dataset.columns if column.kind in kinds)

        images = of_kinds("image")
        return cls(
            numeric=of_kinds("numeric", "boolean"),
            categorical=of_kinds("categorical"),
            dates=of_kinds("datetime"),
            text=of_kinds("text"),
            image=images[0] if images else None,
        )

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Return the number of ids of each categorical column, with those for missing and unknown values."""
        return tuple(len(column.vocabulary) + 2 for column in self.categorical)

    def encode(self, frame: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
        """Return all inputs of the rows of ``frame``, by name; an input without columns has size 0."""
        num = [_numeric(frame[column.name], column)[:, None] for column in self.numeric]
        if self.dates:
            num.append(date_features([_numbers(frame[date.name], pl.Float64()) for date in self.dates], self.dates))
        cat = [_ids(frame[column.name], column) for column in self.categorical]
        return {
            NUM: np.concatenate(num, axis=1) if num else np.empty((frame.height, 0), np.float32),
            CAT: np.stack(cat, axis=1) if cat else np.empty((frame.height, 0), np.int64),
            TEXT: _texts(frame, self.text),
            IMAGE: pixels(frame[self.image.name], self.image.shape) if self.image else np.empty((0, 0, 0, 0), np.uint8),
        }


def centers(columns: Sequence[ColumnProfile]) -> npt.NDArray[np.float64]:
    """Return the medians of wide numeric columns, which are subtracted from them, float64 [columns]."""
    return np.array([column.median or 0.0 for column in columns], np.float64)


def _numeric(series: pl.Series, column: ColumnProfile) -> npt.NDArray[np.float32]:
    if not column.is_wide:
        return _numbers(series, pl.Float32())
    centered: npt.NDArray[np.float64] = _numbers(series, pl.Float64()) - centers([column])
    return centered.astype(np.float32)


def _numbers(series: pl.Series, kind: pl.DataType) -> npt.NDArray[Any]:
    return series.cast(kind).fill_null(float("nan")).to_numpy()


def _texts(frame: pl.DataFrame, columns: tuple[ColumnProfile, ...]) -> npt.NDArray[np.object_]:
    if not columns:
        return np.empty((frame.height, 0), object)
    return np.stack([frame[column.name].fill_null("").to_numpy().astype(object) for column in columns], axis=1)


def _ids(series: pl.Series, column: ColumnProfile) -> npt.NDArray[np.int64]:
    vocabulary = list(column.vocabulary)
    ids = series.replace_strict(
        vocabulary, range(1, len(vocabulary) + 1), default=len(vocabulary) + 1, return_dtype=pl.Int64
    )
    return ids.set(series.is_null(), 0).to_numpy()
