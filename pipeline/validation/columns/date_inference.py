"""Infer whether texts are dates, and whether the day or the month comes first."""

from __future__ import annotations

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column
from pipeline.parsing.date_spellings import MONTH_NUMBERS, ZONES
from pipeline.parsing.dates import CLOCK, DATE_FORMATS, DOTTED_CLOCKS, TimeUnit
from pipeline.validation.columns.dates import read_seconds, rewrite_dates, with_colons
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.words import counted

__all__ = ["check_order", "explain_invalid", "read_dates"]

_MIN_DATES = 0.9  # minimum fraction of values that are dates; the others are read as missing
_HEAD_ROWS = 100  # values that are checked before all values are
_DOTTED_TRIPLE = r"^[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}$"  # 18.00.00 is a time of day, 31.12.24 a date, 10.11.12 can be both
# Dates whose values can show the order of day and month; a weekday may precede them.
_ORDERED = (
    r"^[^0-9]{0,20}(?P<first>[0-9]{1,2})(?P<mark>[-/.])(?P<then>[0-9]{1,2})[-/.](?:[0-9]{4}|[0-9]{2})(?:[Tt ,\]]|$)"
)
_ZONED = (
    rf":[0-9]{{2}}.*(?:Z|UTC|GMT|[+-][0-9]{{1,2}}(?::?[0-9]{{2}})?|{'|'.join(ZONES)})(?: [0-9]{{4}})?"
    r"(?: ?\([A-Za-z ]+\))?\]?$"
)
_MARKS = "[-/.: ]"  # every usual format of dates contains one of these
# Every date in a format of programs or languages contains this; the rewrite rules skip texts without it.
_HINT = (
    rf"[0-9]:[0-9]{{2}}|[0-9]{{8}}[t ][0-9]|[年년]|^[^0-9]{{2,10}}[., ]+[0-9]{{1,4}}[-/.]"
    rf"|{'|'.join(sorted({name[:3] for name in MONTH_NUMBERS}))}"
)


def read_dates(column: pl.Series) -> InferredColumn | None:
    """Read trimmed texts as dates or times of day; None if too few of them are dates.

    The result's ``day_first`` is None if no date has an order of day and month.
    """
    texts = column.drop_nulls()
    if not _are_dates(texts.head(_HEAD_ROWS)):
        return None
    day_first, warning = _detect_order(column)
    time_unit: TimeUnit = "hh.mm.ss" if _are_clocks(texts) else ""
    if time_unit:
        day_first, warning = None, None
    seconds = read_seconds(column, day_first=day_first, time_unit=time_unit)
    broken = len(texts) - seconds.count()
    if broken > len(texts) * (1 - _MIN_DATES):
        return None
    warnings = [warning] if warning else []
    if broken:
        warnings.append(f"column '{column.name}': {counted(broken, 'cell')} without a valid date, read as missing")
    if (bare := _count_without_zone(texts)) is not None:
        warnings.append(f"column '{column.name}': {counted(bare, 'time')} without a time zone, read as UTC")
    rule = Column(name=column.name, kind="datetime", day_first=day_first, time_unit=time_unit)
    return InferredColumn(column=rule, values=seconds, warnings=tuple(warnings))


def _are_dates(head: pl.Series) -> bool:
    enough = len(head) * _MIN_DATES
    if int(head.str.contains(_MARKS).sum()) >= enough and _count_forms(head) >= enough:
        return True
    may_be_dates = int(head.str.to_lowercase().str.contains(_HINT).sum()) >= enough
    return may_be_dates and _count_forms(rewrite_dates(head)) >= enough


def _count_forms(values: pl.Series) -> int:
    text = pl.col("text").str
    forms = (*DATE_FORMATS, CLOCK, *DOTTED_CLOCKS)
    fits = pl.DataFrame({"text": values}).select(pl.any_horizontal(text.contains(form) for form in forms))
    return int(fits.to_series().sum())


def _are_clocks(texts: pl.Series) -> bool:
    """Return whether texts such as 10.11.12 are times of day: nearly all could be, and fewer could be dates."""
    triples = texts.filter(texts.str.contains(_DOTTED_TRIPLE))
    if len(triples) < len(texts) * _MIN_DATES or triples.is_empty():
        return False
    clocks = read_seconds(with_colons(triples), day_first=False).count()
    dates = max(triples.str.to_date(form, strict=False).count() for form in ("%d.%m.%y", "%m.%d.%y"))
    return clocks >= len(triples) * _MIN_DATES and clocks > dates


def _detect_order(column: pl.Series) -> tuple[bool | None, str | None]:
    """Return whether the day comes before the month, and a warning if no number above 12 proves it.

    Both are None if no date has an order of day and month.
    """
    texts = column.filter(column.str.contains(_ORDERED))
    if texts.is_empty():
        return None, None
    days_first, months_first = _count_proofs(texts)
    if days_first != months_first:
        return days_first > months_first, None
    day_first = bool(texts.str.contains(r"^[^0-9]{0,20}[0-9]+\.").all())
    example = "3.4.2024 is 3 April" if day_first else "3/4/2024 is 4 March"
    return day_first, (
        f"column '{column.name}': its dates do not show whether the day or the month comes first: the "
        f"{'day' if day_first else 'month'} is assumed ({example})"
    )


def _count_proofs(texts: pl.Series) -> tuple[int, int]:
    """Count the dates that prove that the day comes first, and those that prove that the month does."""
    numbers = texts.str.extract_groups(_ORDERED).struct.unnest().select(pl.col("first", "then").cast(pl.Int64))
    return int((numbers["first"] > 12).sum()), int((numbers["then"] > 12).sum())


def check_order(cells: pl.Series, column: Column) -> None:
    """Check that a later file writes day and month in the order of the training file.

    Args:
        cells: Stripped cells.
        column: Rule of the column.

    Raises:
        InvalidColumnsError: More than a few dates have the other order, so ambiguous dates would be read wrongly.
    """
    if column.day_first is None or column.time_unit == "hh.mm.ss" or not _are_texts_of_dates(cells, column):
        return
    days_first, months_first = _count_proofs(cells.filter(cells.str.contains(_ORDERED)))
    other_order = months_first if column.day_first else days_first
    if other_order > (days_first + months_first) * (1 - _MIN_DATES):
        expected, actual = ("day", "month") if column.day_first else ("month", "day")
        raise InvalidColumnsError(
            f"column '{column.name}': the {expected} comes first in the training file, but the {actual} comes first in "
            f"{counted(other_order, 'cell')} of this one: the same order is expected, or dates such as 2024-01-31"
        )


def explain_invalid(cells: pl.Series, values: pl.Series, column: Column) -> str:
    """Explain why dates of a later file were not read, as the end of a message; empty if the order is not the reason.

    Args:
        cells: Stripped cells.
        values: The values that were read from the cells.
        column: Rule of the column.
    """
    if column.day_first is not None or column.time_unit == "hh.mm.ss" or not _are_texts_of_dates(cells, column):
        return ""
    unread = cells.filter(values.is_null() & cells.is_not_null())
    ambiguous = read_seconds(unread.filter(unread.str.contains(_ORDERED)), day_first=True).count()
    if not ambiguous:
        return ""
    return (
        f" ({ambiguous:,} because the training file does not show whether the day or the month comes first: dates such "
        "as 2024-01-31 are expected)"
    )


def _are_texts_of_dates(cells: pl.Series, column: Column) -> bool:
    return column.kind == "datetime" and cells.dtype == pl.String


def _count_without_zone(texts: pl.Series) -> int | None:
    """Count the times without a zone; None if all times or no times have a zone."""
    timed = texts.str.contains(r":[0-9]{2}")
    if not timed.any():
        return None
    zoned = texts.str.contains(_ZONED)
    bare = int((timed & ~zoned).sum())
    return bare if bare and zoned.any() else None
