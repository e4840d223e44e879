"""Cast cells of a batch, a test file or rows to predict, by their column's rule, to the types of the split files."""

from __future__ import annotations

from collections.abc import Set

import polars as pl

from pipeline.contracts.signature import Column
from pipeline.parsing.missing import FALSE, MISSING, NUMBER_MISSING, TRUE
from pipeline.validation.columns.cells import drop_number_markers, strip_cells
from pipeline.validation.columns.dates import convert_temporal, convert_time_numbers, read_seconds
from pipeline.validation.columns.numbers.fitting import as_finite, fit_numbers
from pipeline.validation.columns.numbers.parsing import parse_numbers

__all__ = ["as_flags", "as_numbers", "as_text", "cast_column", "count_invalid"]

_INTEGERS = 2.0**63  # bound of 64-bit integers; larger floats are written with an exponent
_TRUTH_WORDS = ("True", "TRUE", "False", "FALSE")  # JSON has true and false
_INTEGER = r"^([+-]?\d+)\.0*$"


def cast_column(raw: pl.Series, column: Column, missing: Set[str] = MISSING) -> pl.Series:
    """Cast cells by the column's rule.

    Args:
        raw: Cells as a reader returned them.
        column: Kind and format of the cells.
        missing: Texts that mean a missing value.

    Returns:
        Values of the types in records.dataset.ColumnProfile; null for missing values and cells that cannot be cast.
    """
    if column.kind == "image":
        return raw if raw.dtype == pl.Binary else _nulls(raw, pl.Binary)
    cells = strip_cells(raw, missing)
    if column.kind == "numeric":
        return fit_numbers(as_numbers(cells, column, missing), is_wide=column.is_wide)
    if column.kind == "boolean":
        return as_flags(cells)
    if column.kind == "datetime":
        return _as_seconds(cells, column)
    return as_text(cells, is_code=column.is_code)


def count_invalid(raw: pl.Series, values: pl.Series, column: Column, missing: Set[str] = MISSING) -> tuple[int, int]:
    """Count the cells that are not of the column's kind, and all cells with a value.

    Args:
        raw: Cells as a reader returned them.
        values: The cast cells.
        column: Kind of the cells.
        missing: Texts that mean a missing value.
    """
    markers = missing | NUMBER_MISSING if column.kind == "numeric" and missing is MISSING else missing
    present = strip_cells(raw, markers).count()
    return max(0, present - values.count()), present


def as_numbers(cells: pl.Series, column: Column, missing: Set[str] = MISSING) -> pl.Series:
    """Read stripped cells as Float64; null for anything but a finite number."""
    if cells.dtype != pl.String:
        readable = cells.dtype.is_numeric() or cells.dtype == pl.Boolean
        return as_finite(cells.cast(pl.Float64)) if readable else _nulls(cells, pl.Float64)
    if missing is MISSING:
        cells = cells.set(cells.is_in(list(NUMBER_MISSING)), None) if _may_hold_markers(cells) else cells
    return drop_number_markers(as_finite(parse_numbers(cells, column.number_format)), missing)


def as_text(cells: pl.Series, *, is_code: bool = False) -> pl.Series:
    """Cast to String; in a column of numbers or codes 1.0 becomes 1, the form of labels and categories."""
    if cells.dtype.is_nested():
        return _nulls(cells, pl.String)
    text = cells.cast(pl.String, strict=False)
    if cells.dtype.is_float():
        integers = cells.set((cells != cells.floor()) | (cells.abs() >= _INTEGERS), None).cast(pl.Int64)
        return text.zip_with(integers.is_null(), integers.cast(pl.String))
    if not is_code:
        return text
    words = text.is_in(list(_TRUTH_WORDS))
    text = text.str.replace(_INTEGER, "$1")
    return text.zip_with(~words, text.str.to_lowercase()) if words.any() else text


def as_flags(cells: pl.Series) -> pl.Series:
    """Cast to Float32: 1 for true, 0 for false, null for other values."""
    if cells.dtype != pl.String:
        readable = cells.dtype.is_numeric() or cells.dtype == pl.Boolean
        numbers = cells.cast(pl.Float64) if readable else _nulls(cells, pl.Float64)
        return numbers.set(~numbers.is_in([0.0, 1.0]), None).cast(pl.Float32)
    words = cells.str.to_lowercase()
    true, false = [*TRUE, "1", "1.0"], [*FALSE, "0", "0.0"]
    return words.is_in(true).cast(pl.Float32).set(~words.is_in([*true, *false]), None)


def _may_hold_markers(cells: pl.Series) -> bool:
    """Return whether cells may be missing markers, which they cannot be if all of them are plain numbers."""
    return cells.cast(pl.Float64, strict=False).null_count() > cells.null_count()


def _as_seconds(cells: pl.Series, column: Column) -> pl.Series:
    if cells.dtype.is_temporal():
        return convert_temporal(cells)
    if cells.dtype == pl.String:
        return read_seconds(cells, day_first=column.day_first, time_unit=column.time_unit)
    return convert_time_numbers(as_numbers(cells, column), column.time_unit)


def _nulls(column: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return pl.Series(column.name, [None], dtype=dtype).new_from_index(0, len(column))
