"""Infer the kind of numbers: row numbers, dates, codes, or quantities, and whether float32 is precise enough."""

from __future__ import annotations

import re

import polars as pl

from pipeline.contracts.records.dataset import Dropped
from pipeline.contracts.signature import Column
from pipeline.parsing.dates import TimeUnit
from pipeline.parsing.numbers import PLAIN, NumberFormat
from pipeline.validation.columns.dates import convert_time_numbers
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.numbers.fitting import fit_numbers
from pipeline.validation.words import counted

__all__ = ["infer_number_kind", "may_number_rows", "numbers_rows"]

_IDENTIFIER_NAME = re.compile(
    r"(?i:(?:.*[_\W])?(?:id|uuid|guid)|index|row_?(?:id|num(?:ber)?)|unnamed: 0|__index_level_\d+__)|.*[a-z]I[Dd]"
)
_TIME_NAME = re.compile(
    r"(?i:(?:.*[_\W])?(?:at|on|epoch|unix|time|timestamp|ts|date|datetime|when|zeit|datum|fecha|hora|data|heure|created|updated)"
    r"(?:[_\W].*)?|.*(?:_at|time|timestamp|date|_on)(?:[_\W]?(?:ms|us|ns|s|utc|unix|epoch))?)"
)
# Consecutive integers with such a name are a position in time or in an order, which is a feature.
_ORDER_NAME = re.compile(
    r"(?i:.*(?:year|month|week|day|hour|minute|time|rank|age|step|period|level|score|order|grade).*)"
)
_EARLIEST, _LATEST = 315_532_800.0, 4_102_444_800.0  # 1980 and 2100, in seconds: the times that people record
_UNITS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_DATES_FRACTION = 0.99  # minimum fraction of the distinct whole numbers that are days of the calendar
_MIN_DATES = 3  # minimum distinct numbers

_EXACT_FLOAT32 = 2.0**24  # whole numbers up to this are exact in float32
_EXACT_FLOAT64 = 2.0**53
_MAX_CODES = 200  # maximum distinct codes
_MIN_CODE_ROWS = 5  # minimum mean of rows per code
_MAX_ROUND_FRACTION = 0.5  # maximum fraction of codes that are multiples of 100: amounts of money are, codes are not
_STEPS = 1_000  # float32 steps per standard deviation; fewer lose signal
_MANY_STEPS = 100_000  # float32 steps per standard deviation; with more, few distinct values become equal
_MAX_LOST_FRACTION = 0.02  # maximum fraction of distinct values that become equal in float32
_SAMPLE_ROWS = 20_000
_FLOAT32_STEP = 2.0**-23  # distance of neighboring numbers, relative to them
_MAX_FIRST = 0.01  # largest first row number as a fraction of the rows: the rows before may be in other splits
_MAX_ROW_NUMBER_SPAN = 100  # range of row numbers divided by the rows: the row numbers of a sample have gaps


def infer_number_kind(
    numbers: pl.Series, cells: pl.Series, *, number_format: NumberFormat = PLAIN, missing: int
) -> InferredColumn | Dropped:
    """Infer the kind of a column of numbers.

    Args:
        numbers: Float64; null if missing.
        cells: The same cells as in the file, where large integers are exact that float64 rounds.
        number_format: Format of the numbers in text.
        missing: Number of missing cells; other nulls could not be read.
    """
    name = numbers.name
    if numbers.null_count() == len(numbers):
        return Dropped(name=name, reason="no number that fits float32")
    if _is_row_number(numbers):
        return Dropped(name=name, reason="a row number: consecutive whole numbers, each of them once")
    if (unit := _time_unit(numbers)) and number_format == PLAIN:
        column = Column(name=name, kind="datetime", time_unit=unit)
        shown = "days such as 20240316" if unit == "yyyymmdd" else f"times in {unit} since 1970"
        warning = f"column '{name}': whole numbers are read as {shown}"
        return InferredColumn(column=column, values=convert_time_numbers(numbers, unit), warnings=(warning,))
    if _are_codes(numbers, cells):
        warning = (
            f"column '{name}': {cells.drop_nulls().n_unique()} long whole numbers that repeat are read as categories"
        )
        return InferredColumn(
            column=Column(name=name, kind="categorical", is_code=True), values=_codes(cells), warnings=(warning,)
        )
    return _quantity(numbers, number_format, missing)


def _is_row_number(numbers: pl.Series) -> bool:
    """Return whether the numbers are consecutive integers that begin at 0 or 1 or have an identifier's name."""
    if not _are_distinct_integers(numbers) or _span(numbers) != len(numbers) - 1:
        return False
    if _IDENTIFIER_NAME.fullmatch(numbers.name):
        return True
    return numbers.min() in (0, 1) and not _ORDER_NAME.fullmatch(numbers.name)


def may_number_rows(name: str, minimum: float, rows: int) -> bool:
    """Return whether a column without gaps may number the rows: it begins near 0, or has an identifier's name."""
    if _IDENTIFIER_NAME.fullmatch(name):
        return True
    return 0 <= minimum <= rows * _MAX_FIRST and not _ORDER_NAME.fullmatch(name)


def numbers_rows(numbers: pl.Series) -> bool:
    """Return whether an unnamed column numbers the rows of a table: distinct integers without wide gaps."""
    return len(numbers) > 0 and _are_distinct_integers(numbers) and _span(numbers) < _MAX_ROW_NUMBER_SPAN * len(numbers)


def _quantity(numbers: pl.Series, number_format: NumberFormat, missing: int) -> InferredColumn | Dropped:
    name = numbers.name
    warnings = []
    if _are_distinct_integers(numbers) and _IDENTIFIER_NAME.fullmatch(name):
        warnings.append(
            f"column '{name}' is named like an identifier, but read as a number: drop: [{name}] leaves it out"
        )
    is_wide = _needs_float64(numbers)
    values = fit_numbers(numbers, is_wide=is_wide)
    if values.null_count() == len(values):
        return Dropped(name=name, reason="no number that fits float32")
    if lost := values.null_count() - missing:
        warnings.append(f"column '{name}': {counted(lost, 'cell')} without a number that fits float32, read as missing")
    if is_wide:
        warnings.append(f"column '{name}' has a large offset and small steps: its center is subtracted in float64")
    if _largest(numbers) > _EXACT_FLOAT64 and _is_integer(numbers).all():
        warnings.append(f"column '{name}' has whole numbers above 2**53, which float64 rounds")
    column = Column(name=name, kind="numeric", number_format=number_format, is_wide=is_wide)
    return InferredColumn(column=column, values=values, warnings=tuple(warnings))


def _time_unit(numbers: pl.Series) -> TimeUnit:
    """Return the unit of numbers that are dates: days such as 20240316, or epoch times if the name says time."""
    low, high = _float(numbers.min()), _float(numbers.max())
    if low > 19_000_000 and high < 21_010_000 and _are_days(numbers):
        return "yyyymmdd"
    if low < _EARLIEST or not _TIME_NAME.fullmatch(numbers.name):
        return ""
    return next(
        (unit for unit, a_second in _UNITS.items() if _EARLIEST <= low / a_second <= high / a_second <= _LATEST), ""
    )


def _are_days(numbers: pl.Series) -> bool:
    days = numbers.drop_nulls().unique()
    if len(days) < _MIN_DATES or not _is_integer(days).all():
        return False
    return convert_time_numbers(days, "yyyymmdd").count() >= len(days) * _DATES_FRACTION


def _are_codes(numbers: pl.Series, cells: pl.Series) -> bool:
    """Return whether the numbers are codes: few distinct integers, too long for float32, that are not round amounts."""
    if _largest(numbers) <= _EXACT_FLOAT32 or not _is_integer(numbers).all():
        return False
    if cells.dtype == pl.String and not cells.drop_nulls().head(_SAMPLE_ROWS).str.contains(r"^[+-]?\d+(\.0*)?$").all():
        return False
    codes = _codes(cells).drop_nulls().unique()
    distinct, rows = len(codes), cells.count()
    if distinct > _MAX_CODES or rows < distinct * _MIN_CODE_ROWS:
        return False
    return int(codes.str.ends_with("00").sum()) <= distinct * _MAX_ROUND_FRACTION


def _codes(cells: pl.Series) -> pl.Series:
    if cells.dtype.is_float():
        cells = cells.cast(pl.Int64, strict=False)
    return cells.cast(pl.String).str.replace(r"\.0*$", "")


def _needs_float64(numbers: pl.Series) -> bool:
    """Return whether float32 makes distinct values equal, or has few steps per standard deviation."""
    values = numbers.drop_nulls()
    largest, deviation = _largest(values), _float(values.std() or 0.0)
    if not 0 < deviation < float("inf") or largest > 3e38:
        return False
    if largest * _FLOAT32_STEP * _STEPS > deviation:
        return True
    if largest * _FLOAT32_STEP * _MANY_STEPS < deviation:
        return False
    distinct = values.head(_SAMPLE_ROWS).unique()
    rounded = distinct.cast(pl.Float32).n_unique()
    return rounded < len(distinct) * (1 - _MAX_LOST_FRACTION)


def _are_distinct_integers(numbers: pl.Series) -> bool:
    if len(numbers) < 3 or numbers.null_count() or _span(numbers) < len(numbers) - 1:
        return False
    return bool(_is_integer(numbers).all() and numbers.is_unique().all())


def _largest(numbers: pl.Series) -> float:
    """Return the largest absolute value."""
    return max(abs(_float(numbers.min())), abs(_float(numbers.max())))


def _span(numbers: pl.Series) -> float:
    return _float(numbers.max()) - _float(numbers.min())


def _is_integer(numbers: pl.Series) -> pl.Series:
    return numbers == numbers.floor()


def _float(value: object) -> float:
    assert isinstance(value, int | float), "a statistic of numbers that are there"
    return float(value)
