"""Moments: what a column of times holds, as numbers that sort as time does."""

from __future__ import annotations

import polars as pl

from pipeline.validation.kinds import NUMBERS_SHARE, numbers_of

__all__ = ["times_of"]

_LOOK = 1000  # values by which the way they are written is told
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y",
    "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%Y%m%d", "%Y-%m",
)  # fmt: skip
_CLOCKS = ("", " %H:%M:%S%.f", "T%H:%M:%S%.f", " %H:%M", "T%H:%M", " %I:%M:%S %p", " %I:%M %p")
_FORMATS = tuple(day + clock for day in _DAYS for clock in _CLOCKS)
_ZONE = r" ?(?:Z|UTC|[+-]\d{2}:?\d{2})$"


def times_of(column: pl.Series) -> pl.Series | None:
    """Float64: seconds since 1970, or the numbers that the column holds; None when nearly all are no times.

    ``column`` is trimmed. Dates and times of text are read by the one way of writing that fits most of them; where a
    zone is written, times are those of the clock there.
    """
    if column.dtype.is_temporal():
        return _of_temporal(column)
    if column.dtype.is_numeric():
        return column.cast(pl.Float64)
    if column.dtype != pl.String:
        return None
    if (numbers := numbers_of(column)) is not None:
        return numbers
    found = _of_text(column)
    known = len(column) - column.null_count()
    return found if known and len(found) - found.null_count() >= known * NUMBERS_SHARE else None


def _of_temporal(column: pl.Series) -> pl.Series:
    if column.dtype in (pl.Time, pl.Duration):
        return column.cast(pl.Int64).cast(pl.Float64)
    return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6


def _of_text(column: pl.Series) -> pl.Series:
    clock = column.str.replace(_ZONE, "")
    seen = clock.drop_nulls().head(_LOOK)
    best = max(_FORMATS, key=lambda one: seen.len() - _read(seen, one).null_count())
    return _read(clock, best).dt.epoch("us").cast(pl.Float64) / 1e6


def _read(text: pl.Series, written: str) -> pl.Series:
    return text.str.to_datetime(written, strict=False, time_unit="us")
