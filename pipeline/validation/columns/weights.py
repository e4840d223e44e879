"""The weights of rows: a column of positive numbers."""

from __future__ import annotations

from collections.abc import Set

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column
from pipeline.parsing.missing import MISSING
from pipeline.parsing.numbers import PLAIN
from pipeline.validation.columns.casting import as_numbers
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.numbers.inference import infer_numbers

__all__ = ["infer_weight", "read_weights"]

_MIN_NUMBERS = 0.99  # minimum fraction of rows with a number


def infer_weight(raw: pl.Series, missing: Set[str] = MISSING, *, file: str = "") -> Column:
    """Infer the format of weights.

    Raises:
        InvalidColumnsError: Too many rows have no positive number.
    """
    cells = strip_cells(raw, missing)
    inferred = infer_numbers(cells) if cells.dtype == pl.String else None
    number_format = PLAIN if inferred is None else inferred.number_format
    column = Column(name=raw.name, kind="numeric", number_format=number_format)
    numbers, weights = as_numbers(cells, column, missing), read_weights(raw, column, missing)
    if numbers.count() < len(raw) * _MIN_NUMBERS or not weights.count():
        where = f"'{file}': " if file else ""
        raise InvalidColumnsError(f"{where}the weight column '{raw.name}' does not hold positive numbers in every row")
    return column


def read_weights(raw: pl.Series, column: Column, missing: Set[str] = MISSING) -> pl.Series:
    """Return weights as Float32; null for anything but a positive number, so that the row is rejected."""
    numbers = as_numbers(strip_cells(raw, missing), column, missing)
    return numbers.set(numbers <= 0, None).cast(pl.Float32, strict=False)
