"""Moments: what a column of times holds, as numbers that sort as time does."""

from __future__ import annotations

import polars as pl

from pipeline.validation.columns.dates import read_dates, temporal_seconds
from pipeline.validation.columns.type_inference import numbers_of

__all__ = ["times_of"]


def times_of(column: pl.Series) -> pl.Series | None:
    """Float64: seconds since 1970 UTC, or the numbers that the column holds; None when nearly all are no times.

    ``column`` is trimmed.
    """
    if column.dtype.is_temporal():
        return temporal_seconds(column)
    if column.dtype.is_numeric():
        return column.cast(pl.Float64)
    if column.dtype != pl.String or column.null_count() == len(column):
        return None
    if (numbers := numbers_of(column)) is not None:
        return numbers
    dates = read_dates(column)
    return None if dates is None else dates.seconds
