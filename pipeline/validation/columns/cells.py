"""Normalize cells: strip blanks, and replace missing markers by null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

import polars as pl

from pipeline.parsing.missing import MISSING
from pipeline.parsing.text import BLANKS
from pipeline.validation.limits import MAX_NAMED
from pipeline.validation.words import counted, listed

__all__ = [
    "count_markers",
    "describe_markers",
    "drop_number_markers",
    "has_number_marker",
    "strip_cells",
    "strip_text",
]

_REPEATS_SAMPLE = 1000  # sampled values: if most of them repeat, those of the whole column are assumed to repeat


def strip_cells(column: pl.Series, missing: Set[str] = MISSING) -> pl.Series:
    """Strip text, and make missing values null; columns of other types keep their type.

    Args:
        column: Cells as a reader returned them.
        missing: Texts that mean a missing value; in columns of numbers only the numbers among them apply.
    """
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return column if _is_stripped(column, missing) else _without_markers(strip_text(column), missing)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.dtype.is_numeric() and has_number_marker(missing):
        return column.set(drop_number_markers(column.cast(pl.Float64), missing).is_null(), None)
    return column


def count_markers(column: pl.Series, missing: Set[str] = MISSING) -> Counter[str]:
    """Count the missing markers in a column of text by their spelling, without empty cells."""
    if column.dtype != pl.String:
        return Counter()
    stripped = strip_text(column).rename("marker")
    counts = stripped.filter(stripped.is_in(list(missing - {""}))).value_counts(name="cells")
    return Counter(dict(counts.sort("cells", "marker", descending=[True, False]).iter_rows()))


def describe_markers(markers: Counter[str]) -> str:
    """Describe which texts were read as missing, in how many cells, the most frequent first."""
    described = [f"'{text}' ({counted(cells, 'cell')})" for text, cells in markers.most_common()]
    return f"read as missing: {listed(described, MAX_NAMED)}"


def _is_number_marker(text: str) -> bool:
    """Return whether a missing marker is a number, such as -999."""
    try:
        return float(text) == float(text)  # False for NaN
    except ValueError:
        return False


def drop_number_markers(numbers: pl.Series, missing: Set[str]) -> pl.Series:
    """Replace numeric missing markers by null in every spelling: -999.0 with the marker -999."""
    markers = [float(text) for text in missing if _is_number_marker(text)]
    return numbers.set(numbers.is_in(markers), None) if markers else numbers


def has_number_marker(missing: Set[str]) -> bool:
    """Return whether one of the markers is a number."""
    return any(map(_is_number_marker, missing))


def strip_text(text: pl.Series) -> pl.Series:
    """Strip blanks of every kind, and compose letters with their accents (Unicode NFC)."""
    text = text.str.strip_chars()
    if text.str.len_bytes().sum() == text.str.len_chars().sum():  # ASCII
        return text
    return text.str.strip_chars(BLANKS).str.normalize("NFC")


def _is_stripped(text: pl.Series, missing: Set[str]) -> bool:
    """Return whether the texts are stripped already; also False if few texts repeat, since the check is then slow."""
    if text.head(_REPEATS_SAMPLE).n_unique() > _REPEATS_SAMPLE // 2:
        return False
    values = text.unique()
    return _without_markers(strip_text(values), missing).equals(values, null_equal=True)


def _without_markers(text: pl.Series, missing: Set[str]) -> pl.Series:
    return text.set(text.is_in(list(missing)), None)
