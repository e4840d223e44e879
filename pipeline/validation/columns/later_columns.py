"""Cast columns of later files, such as a test file or rows to predict, by the rules of the training file."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column
from pipeline.parsing.missing import MISSING
from pipeline.validation.columns.casting import cast_column, count_invalid
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.date_inference import check_order, explain_invalid
from pipeline.validation.columns.numbers.fitting import fit_numbers
from pipeline.validation.columns.numbers.inference import decimal_evidence
from pipeline.validation.words import counted

__all__ = ["LaterCells", "cast_later_column", "fit_column"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LaterCells:
    """The cells of one column of a later file.

    Attributes:
        cells: Cells of the file, stripped if they are dates.
        values: Values in the type of the split files; null for a missing value.
        exact: The same values, but numbers as Float64.
        warnings: Differences from the training file.
    """

    cells: pl.Series
    values: pl.Series
    exact: pl.Series
    warnings: tuple[str, ...]


def cast_later_column(raw: pl.Series, column: Column, missing: Set[str] = MISSING) -> LaterCells:
    """Cast a column of a later file by the rule of the training file.

    Args:
        raw: Cells as a reader returned them.
        column: Rule of the training file's cells.
        missing: Texts that mean a missing value.

    Raises:
        InvalidColumnsError: No cell with a value is of the column's kind, or dates have another order of day and month.
    """
    cells = strip_cells(raw, missing) if column.kind == "datetime" else raw
    check_order(cells, column)
    column, warnings = fit_column(raw, column, missing)
    is_numeric = column.kind == "numeric"
    exact = cast_column(raw, replace(column, is_wide=True) if is_numeric else column, missing)
    values = fit_numbers(exact, is_wide=column.is_wide) if is_numeric else exact
    invalid, present = count_invalid(raw, values, column, missing)
    if invalid:
        reason = explain_invalid(cells, values, column)
        if invalid == present:
            raise InvalidColumnsError(
                f"column '{raw.name}' is not {column.kind}, as it is in the training file{reason}: the same spelling "
                "is expected in both files"
            )
        warnings += (f"column '{raw.name}': {counted(invalid, 'cell')} not {column.kind}{reason}, read as missing",)
    exact = exact.set(values.is_null(), None) if is_numeric else exact
    return LaterCells(cells=cells, values=values, exact=exact, warnings=warnings)


def fit_column(raw: pl.Series, column: Column, missing: Set[str] = MISSING) -> tuple[Column, tuple[str, ...]]:
    """Adapt a column's rule to the decimal mark that a later file proves.

    Args:
        raw: Cells as a reader returned them.
        column: Rule of the training file's cells.
        missing: Texts that mean a missing value.

    Returns:
        The rule for this file, and a warning if it differs.
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
