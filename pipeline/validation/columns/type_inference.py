"""Infer the kind of a column: numbers, booleans, dates, categories or texts, or drop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import replace

import polars as pl

from pipeline.contracts.records.dataset import Dropped
from pipeline.contracts.signature import Column
from pipeline.parsing.missing import FALSE, MISSING, TRUE
from pipeline.parsing.numbers import PLAIN
from pipeline.validation.columns.casting import as_text
from pipeline.validation.columns.cells import (
    count_markers,
    describe_markers,
    drop_number_markers,
    has_number_marker,
    strip_cells,
)
from pipeline.validation.columns.date_inference import read_dates
from pipeline.validation.columns.dates import convert_temporal
from pipeline.validation.columns.inferred import DecimalHint, InferredColumn
from pipeline.validation.columns.numbers.fitting import as_finite
from pipeline.validation.columns.numbers.inference import infer_numbers
from pipeline.validation.columns.numbers.kinds import infer_number_kind, numbers_rows
from pipeline.validation.columns.text_kinds import is_free_text

__all__ = ["infer_column", "infer_unnamed_column"]

_HEAD_VALUES = 100  # values that are checked before all values are
_MIN_NUMBERS = 0.5  # minimum fraction of numbers for a warning that the column is read as text
_MAX_SHOWN = 40  # characters of a value in a message
_TYPED = r"^(?:[+-]?[0-9]+(?:\.0*)?|True|TRUE|true|False|FALSE|false)$"


def infer_column(
    raw: pl.Series, *, missing: Set[str] = MISSING, decimal_hint: DecimalHint = ""
) -> InferredColumn | Dropped:
    """Infer the kind and the format of a column.

    Args:
        raw: Cells as a reader returned them.
        missing: Texts that mean a missing value.
        decimal_hint: Decimal mark of the file's other columns, for a column that is ambiguous.
    """
    if not has_number_marker(missing) and (numbers := _plain_numbers(raw)) is not None:
        return infer_number_kind(numbers, raw, missing=raw.null_count())
    cells = strip_cells(raw, missing)
    if (reason := _why_unread(cells)) is not None:
        return Dropped(name=raw.name, reason=reason)
    markers = Counter[str]() if cells is raw else count_markers(raw, missing)
    is_text = cells.dtype == pl.String
    inferred = _infer_text(cells, missing, decimal_hint, markers) if is_text else _infer_typed(cells)
    if isinstance(inferred, Dropped) or not markers:
        return inferred
    warning = f"column '{raw.name}': {describe_markers(markers)}; missing: in train.yaml names others"
    return replace(inferred, warnings=(*inferred.warnings, warning))


def infer_unnamed_column(raw: pl.Series, inferred: InferredColumn | Dropped) -> InferredColumn | Dropped:
    """Drop an unnamed column that numbers the rows, as pandas writes its index."""
    if isinstance(inferred, Dropped) or inferred.column.kind not in ("numeric", "datetime"):
        return inferred
    numbers = strip_cells(raw)
    numbers = numbers.cast(pl.Float64, strict=False) if numbers.dtype != pl.Float64 else numbers
    if numbers_rows(numbers):
        return Dropped(name=raw.name, reason="a row number: an unnamed column of whole numbers, each of them once")
    return inferred


def _plain_numbers(column: pl.Series) -> pl.Series | None:
    """Return the numbers if every cell is a plain number; else None."""
    if column.dtype != pl.String:
        return None
    head = column.head(_HEAD_VALUES)
    if head.cast(pl.Float64, strict=False).null_count() > head.null_count() or head.null_count() == len(head):
        return None
    inferred = infer_numbers(column)
    if inferred is None or inferred.number_format != PLAIN or inferred.numbers.null_count() > column.null_count():
        return None
    return None if inferred.warnings else inferred.numbers


def _why_unread(column: pl.Series) -> str | None:
    dtype = column.dtype
    if dtype.is_nested():
        return "arrays or objects, which no model reads"
    if column.null_count() == len(column):
        return "only missing values"
    if dtype == pl.Duration or not (dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.Boolean, pl.String)):
        return f"{dtype.base_type().__name__} values, which no model reads"
    return None


def _infer_typed(cells: pl.Series) -> InferredColumn | Dropped:
    """Infer the kind of a typed column, as in a parquet file."""
    if cells.dtype == pl.Boolean:
        return InferredColumn(column=Column(name=cells.name, kind="boolean"), values=cells.cast(pl.Float32))
    if cells.dtype.is_temporal():
        return InferredColumn(column=Column(name=cells.name, kind="datetime"), values=convert_temporal(cells))
    return infer_number_kind(as_finite(cells.cast(pl.Float64)), cells, missing=cells.null_count())


def _infer_text(
    cells: pl.Series, missing: Set[str], decimal_hint: DecimalHint, markers: Counter[str]
) -> InferredColumn | Dropped:
    """Infer the kind of a column of text; missing markers of numeric columns are added to ``markers``."""
    name = cells.name
    if (flags := _flags(cells)) is not None:
        return InferredColumn(column=Column(name=name, kind="boolean"), values=flags)
    if (inferred := infer_numbers(cells, decimal_hint=decimal_hint)) is not None:
        numbers = drop_number_markers(inferred.numbers, missing)
        markers.update(inferred.missing_markers)
        markers.update(cells.filter(numbers.is_null() & inferred.numbers.is_not_null()).to_list())
        unread = numbers.null_count() - inferred.other_cells
        column = infer_number_kind(numbers, cells, number_format=inferred.number_format, missing=unread)
        if isinstance(column, Dropped):
            return column
        return replace(column, warnings=(*inferred.warnings, *column.warnings))
    if (dates := read_dates(cells)) is not None:
        return dates
    values = cells.drop_nulls()
    counts = values.rename("value").value_counts(name="rows")
    warnings = _warn_numbers(name, counts)
    if is_free_text(counts["value"], len(values)):
        return InferredColumn(column=Column(name=name, kind="text"), values=cells, warnings=warnings)
    # Numbers and truth values may have another type in later files.
    rule = Column(name=name, kind="categorical", is_code=bool(counts["value"].str.contains(_TYPED).any()))
    return InferredColumn(column=rule, values=as_text(cells, is_code=rule.is_code), warnings=warnings)


def _warn_numbers(name: str, distinct: pl.DataFrame) -> tuple[str, ...]:
    """Warn that a column is not numeric although most of its values are numbers."""
    is_number = distinct["value"].cast(pl.Float64, strict=False).is_finite().fill_null(value=False)
    numbers, rows = int(distinct["rows"].filter(is_number).sum()), int(distinct["rows"].sum())
    if not _MIN_NUMBERS * rows <= numbers < rows:
        return ()
    examples = distinct.filter(~is_number).sort("rows", "value", descending=[True, False])["value"]
    return (
        f"column '{name}' is read as text: {numbers:,} of its {rows:,} values are numbers, others such as "
        f"'{examples[0][:_MAX_SHOWN]}' are not",
    )


def _flags(cells: pl.Series) -> pl.Series | None:
    if not set(cells.drop_nulls().head(_HEAD_VALUES).str.to_lowercase()) <= TRUE | FALSE:
        return None
    words = cells.drop_nulls().unique()
    lowered = words.str.to_lowercase()
    if not lowered.is_in([*TRUE, *FALSE]).all():
        return None
    return cells.is_in(words.filter(lowered.is_in(list(TRUE))).to_list()).cast(pl.Float32)
