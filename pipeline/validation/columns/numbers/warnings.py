"""Warnings on how a column of numbers was read."""

from __future__ import annotations

import polars as pl

from pipeline.parsing.numbers import PLAIN, NumberFormat
from pipeline.validation.words import counted

__all__ = ["describe_marks", "describe_reading"]

_MARKS = {".": "a point", ",": "a comma", "'": "an apostrophe", " ": "a blank"}


def describe_marks(name: str, number_format: NumberFormat, *, is_ambiguous: bool) -> tuple[str, ...]:
    """Describe a column's decimal mark and thousands separator, unless they are the default."""
    decimal, group = number_format.decimal, number_format.group
    if is_ambiguous:
        mark = "," if group == "," else "."
        read = "1299" if group == "," else "1.299, with a decimal point"
        return (
            f"column '{name}': values such as 1{mark}299 may have a decimal mark or a thousands separator; "
            f"they are read as {read}",
        )
    if (decimal, group) == (PLAIN.decimal, PLAIN.group):
        return ()
    marks = f"a decimal {'comma' if decimal == ',' else 'point'}"
    if group:
        marks += f" and {_MARKS[group]} between thousands"
    return (f"column '{name}' is read with {marks} (1{group}299{decimal}99 is 1299.99)",)


def describe_reading(
    name: str, number_format: NumberFormat, spellings: pl.DataFrame, *, bounds: int, is_ambiguous: bool
) -> tuple[str, ...]:
    """Describe the format of a column's numbers, and which texts are removed from them.

    Args:
        name: Name of the column.
        number_format: Format that the column is read with.
        spellings: Result of ``split_spellings``.
        bounds: Number of cells such as <0.5.
        is_ambiguous: Whether nothing proves the decimal mark.
    """
    has_marks = spellings["body"].str.contains("[^0-9]").any()
    warnings = [*describe_marks(name, number_format, is_ambiguous=is_ambiguous)] if has_marks else []
    if spellings["currency"].is_not_null().any():
        warnings.append(f"column '{name}': currency signs and codes are removed")
    if spellings["unit"].str.contains("^%$").any():
        warnings.append(f"column '{name}': percent signs are removed (12.5 % is 12.5)")
    if own_units := [unit for unit in number_format.units if unit != "%"]:
        units = " or ".join(f"'{unit}'" for unit in own_units)
        warnings.append(f"column '{name}': the unit {units} is removed")
    if number_format.magnitudes:
        warnings.append(f"column '{name}': letters and words for magnitudes multiply (1.2k is 1200)")
    if bounds:
        verb = "is a bound (<0.5)" if bounds == 1 else "are bounds (<0.5)"
        warnings.append(f"column '{name}': {counted(bounds, 'cell')} {verb}, read as the bound")
    return tuple(warnings)
