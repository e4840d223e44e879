"""Columns whose kind is known already, read as that kind: those of a test file, and a big file's, a batch at a time."""

from __future__ import annotations

import polars as pl

from pipeline.contracts.signature import ColumnKind
from pipeline.parsing.missing import FALSE, TRUE
from pipeline.validation.columns.dates import seconds_in, temporal_seconds
from pipeline.validation.columns.type_inference import trimmed

__all__ = ["numbers_in", "read_as", "text_of"]

_WHOLE_TEXT = r"^([+-]?\d+)\.0+$"


def read_as(raw: pl.Series, kind: ColumnKind, *, decimal_comma: bool = False, day_first: bool = False) -> pl.Series:
    """As contracts.dataset.ColumnProfile has it; what cannot be read so is null. ``day_first``: as contracts.dates."""
    if kind == "image":
        return raw if raw.dtype == pl.Binary else _nothing(raw, pl.Binary)
    column = trimmed(raw)
    if kind == "numeric":
        return _finite(numbers_in(column, decimal_comma=decimal_comma).cast(pl.Float32, strict=False))
    if kind == "boolean":
        return _flags(column)
    if kind == "datetime":
        return _seconds(column, day_first=day_first)
    return text_of(column)


def numbers_in(column: pl.Series, *, decimal_comma: bool = False) -> pl.Series:
    """Float64; null where there is no finite number."""
    if column.dtype != pl.String:
        readable = column.dtype.is_numeric() or column.dtype == pl.Boolean
        return _finite(column.cast(pl.Float64)) if readable else _nothing(column, pl.Float64)
    numbers = column.cast(pl.Float64, strict=False)
    if decimal_comma and numbers.null_count() > column.null_count():
        numbers = numbers.zip_with(numbers.is_not_null(), column.str.replace(",", ".").cast(pl.Float64, strict=False))
    return _finite(numbers)


def text_of(column: pl.Series) -> pl.Series:
    """String; 1.0 of a column of numbers is 1, as a label or a category is written."""
    if column.dtype.is_nested():
        return _nothing(column, pl.String)
    text = column.cast(pl.String, strict=False)
    return text.str.replace(_WHOLE_TEXT, "$1") if column.dtype.is_float() else text


def _seconds(column: pl.Series, *, day_first: bool) -> pl.Series:
    if column.dtype.is_temporal():
        return temporal_seconds(column)
    return seconds_in(column, day_first=day_first) if column.dtype == pl.String else numbers_in(column)


def _flags(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String:
        numbers = numbers_in(column)
        return numbers.set(~numbers.is_in([0.0, 1.0]), None).cast(pl.Float32)
    words = column.str.to_lowercase()
    return words.is_in(list(TRUE)).cast(pl.Float32).set(~words.is_in([*TRUE, *FALSE]), None)


def _finite(numbers: pl.Series) -> pl.Series:
    return numbers.set(~numbers.is_finite(), None)


def _nothing(column: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    return pl.Series(column.name, [None], dtype=dtype).new_from_index(0, len(column))
