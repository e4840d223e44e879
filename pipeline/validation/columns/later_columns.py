"""Columns of later files: their rule is known, but a file may write decimals in the other way."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import polars as pl

from pipeline.contracts.signature import Column
from pipeline.parsing.missing import MISSING
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.number_inference import decimal_evidence

__all__ = ["fit_column"]


def fit_column(raw: pl.Series, column: Column, missing: Set[str] = MISSING) -> tuple[Column, tuple[str, ...]]:
    """Fit a column's rule to the decimal mark that a later file proves.

    Args:
        raw: Cells as a reader has them.
        column: How the training file wrote them.
        missing: Texts that mean a missing value.

    Returns:
        The rule for this file, and a warning where it differs.
    """
    if column.kind != "numeric" or raw.dtype != pl.String:
        return column, ()
    evidence = decimal_evidence(strip_cells(raw, missing))
    mark = "," if evidence > 0 else "."
    if evidence == 0 or mark == column.number_format.decimal:
        return column, ()
    group = "." if mark == "," else ","
    fitted = replace(column, number_format=replace(column.number_format, decimal=mark, group=group))
    name = "comma" if mark == "," else "point"
    return fitted, (f"column '{raw.name}' is written with a decimal {name} here, unlike in the training file",)
