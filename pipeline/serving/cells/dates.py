"""Cells of datetime columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from pipeline.contracts.signature import Column
from pipeline.parsing.dates import TimeUnit, is_ambiguous, parse_timestamp, timestamp_from_number
from pipeline.parsing.text import clean_text
from pipeline.serving.cells.errors import InvalidCellError
from pipeline.serving.cells.markers import MissingMarkers
from pipeline.serving.cells.numbers import MAX_LETTERS

__all__ = ["read_dates"]

_UNITS: dict[TimeUnit, str] = {
    "": "seconds since 1970",
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "yyyymmdd": "a number such as 20240131",
    "hh.mm.ss": "a time such as 10.30.00",
}


def read_dates(cells: Sequence[Any], columns: Sequence[Column], missing: MissingMarkers) -> Sequence[Any]:
    """Convert dates (texts, or numbers in the column's unit) to seconds since 1970 UTC; missing values become NaN.

    Args:
        cells: The cells, row by row.
        columns: Columns of the cells of one row.
        missing: Markers of missing values.

    Raises:
        InvalidCellError: A cell is not a date of the years 1 to 9999.
    """
    return [_to_timestamp(cell, column, missing) for cell, column in zip(cells, cycle(columns))]


def _to_timestamp(cell: object, column: Column, missing: MissingMarkers) -> float:
    if cell is None:
        return np.nan
    if isinstance(cell, str):
        return _parse_text(clean_text(cell), column, missing)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise InvalidCellError(_expected(column))
    if cell in missing.numbers:
        return np.nan
    seconds = timestamp_from_number(cell, column.time_unit)
    if seconds is None:
        raise InvalidCellError(_expected(column), "a number beyond the years 1 to 9999")
    return seconds


def _parse_text(text: str, column: Column, missing: MissingMarkers) -> float:
    if text in missing.texts:
        return np.nan
    seconds = None
    if len(text) <= MAX_LETTERS:
        seconds = parse_timestamp(text, day_first=column.day_first, time_unit=column.time_unit)
    if seconds is None:
        raise InvalidCellError(_expected(column), _describe(text, column))
    return seconds


def _describe(text: str, column: Column) -> str:
    """Return why a text is not a date."""
    if len(text) > MAX_LETTERS or column.time_unit == "hh.mm.ss":
        return "other text"
    if column.day_first is None:
        if is_ambiguous(text):
            return "one that does not show whether its day or its month comes first; nor does the training file"
    elif parse_timestamp(text, day_first=not column.day_first) is not None:
        return f"one whose {'month' if column.day_first else 'day'} comes first, unlike in the training file"
    return "other text"


def _expected(column: Column) -> str:
    return f"a date such as 2024-01-31T10:30:00Z, {_UNITS[column.time_unit]} or null is expected"
