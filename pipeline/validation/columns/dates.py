"""Read a column of dates or times as seconds since 1970 UTC, in polars, as parsing.dates reads single values."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipeline.parsing.dates import (
    CLOCK,
    DOTTED_CLOCKS,
    EARLIEST,
    FORMS,
    LATEST,
    MONTHS,
    NUMBER,
    SECONDS_A_DAY,
    TWO_DIGITS,
    UNITS_A_SECOND,
    TimeUnit,
)
from pipeline.validation.words import counted

__all__ = ["Dates", "convert_temporal", "convert_time_numbers", "read_dates", "read_seconds"]

_MIN_DATES = 0.9  # of the values; the rest count as missing
_HEAD_ROWS = 100  # values that are checked before all are
_DOTTED_TRIPLE = r"^\d{1,2}\.\d{2}\.\d{2}$"  # 18.00.00 is a time of day, 31.12.24 a date, 10.11.12 can be both
# Dates whose values decide the order of day and month.
_ORDERED = r"^(?P<first>\d{1,2})[-/.](?P<then>\d{1,2})[-/.](?:\d{4}|\d{2})(?:[Tt ,]|$)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dates:
    """A column of dates: ``seconds`` (Float64, null for missing values and for text that is not a date) and its format.

    ``day_first`` and ``time_unit`` have the meaning that they have in parsing.dates.
    """

    seconds: pl.Series
    day_first: bool = False
    time_unit: TimeUnit = ""
    warnings: tuple[str, ...] = ()


def read_dates(column: pl.Series) -> Dates | None:
    """Read trimmed texts as dates or times of day; None when too few of them are."""
    texts = column.drop_nulls()
    head = texts.head(_HEAD_ROWS)
    if not _are_dates(head):
        return None
    day_first, warning = _detect_order(column)
    time_unit: TimeUnit = "hh.mm.ss" if _are_clocks(texts) else ""
    if time_unit:
        day_first, warning = False, None
    seconds = read_seconds(column, day_first=day_first, time_unit=time_unit)
    broken = len(texts) - (len(seconds) - seconds.null_count())
    if broken > len(texts) * (1 - _MIN_DATES):
        return None
    warnings = [warning] if warning else []
    if broken:
        warnings.append(
            f"column '{column.name}': {counted(broken, 'cell')} without a date that there is, taken as missing"
        )
    if (bare := _count_without_zone(texts)) is not None:
        warnings.append(f"column '{column.name}': {counted(bare, 'time')} without a time zone, taken as UTC")
    return Dates(seconds=seconds, day_first=day_first, time_unit=time_unit, warnings=tuple(warnings))


def convert_temporal(column: pl.Series) -> pl.Series:
    """Convert a Date, Datetime, Time or Duration to seconds: without a zone it is UTC, a time is on 1970-01-01."""
    if column.dtype == pl.Date:
        return column.cast(pl.Int32).cast(pl.Float64) * SECONDS_A_DAY
    if column.dtype == pl.Time:
        return column.cast(pl.Int64).cast(pl.Float64) / 1e9
    unit = column.dtype.time_unit  # type: ignore[attr-defined]  # Datetime and Duration have one
    return column.cast(pl.Int64).cast(pl.Float64) / {"ms": 1e3, "us": 1e6, "ns": 1e9}[unit or "us"]


def read_seconds(column: pl.Series, *, day_first: bool, time_unit: TimeUnit = "") -> pl.Series:
    """Read texts as ``parsing.dates.seconds_of`` does: Float64, null where a text is no date."""
    texts = _with_colons(column) if time_unit == "hh.mm.ss" else column
    seconds = _seconds_of_forms(texts, day_first=day_first)
    if seconds.null_count() > column.null_count():
        dotted = texts.set(seconds.is_not_null(), None)
        if dotted.str.contains(DOTTED_CLOCKS[0]).any() or dotted.str.contains(DOTTED_CLOCKS[1]).any():
            again = _seconds_of_forms(_with_colons(dotted), day_first=day_first)
            seconds = seconds.zip_with(seconds.is_not_null(), again)
    if time_unit and time_unit != "hh.mm.ss":
        numbers = column.set(~column.str.contains(NUMBER), None).cast(pl.Float64, strict=False)
        seconds = seconds.zip_with(numbers.is_null(), convert_time_numbers(numbers, time_unit))
    return seconds.set(~seconds.is_between(EARLIEST, LATEST), None)


def convert_time_numbers(column: pl.Series, time_unit: TimeUnit) -> pl.Series:
    """Read numbers as ``parsing.dates.seconds_of_number`` does: Float64, null outside of the years 1 to 9999."""
    numbers = column.cast(pl.Float64)
    if time_unit == "yyyymmdd":
        is_date = numbers.is_between(1000_01_01, 9999_12_31) & (numbers == numbers.floor())
        written = numbers.set(~is_date, None).cast(pl.Int64).cast(pl.String)
        return written.str.to_date("%Y%m%d", strict=False).cast(pl.Int32).cast(pl.Float64) * SECONDS_A_DAY
    units = UNITS_A_SECOND[time_unit]
    # polars multiplies by the reciprocal of a scalar, which rounds otherwise than a division.
    seconds = pl.Series(column.name, numbers.to_numpy() / units)
    return seconds.set(~numbers.is_between(EARLIEST * units, LATEST * units).fill_null(value=False), None)


def _seconds_of_forms(column: pl.Series, *, day_first: bool) -> pl.Series:
    readings = [_read_form(form, day_first=day_first) for form in FORMS]
    clock = _Groups(CLOCK)
    alone = pl.when(clock("hour").is_not_null()).then(_read_clock(clock, zoned=False))
    return pl.DataFrame({"text": column}).select(pl.coalesce(*readings, alone).alias(column.name)).to_series()


def _with_colons(column: pl.Series) -> pl.Series:
    with_seconds, without = DOTTED_CLOCKS
    return column.str.replace(with_seconds, "${1}${2}:${3}:${4}${5}").str.replace(without, "${1}${2}:${3}${4}")


class _Groups:
    """Expressions for the groups of a pattern, by name; null where it does not match."""

    def __init__(self, form: str) -> None:
        self._groups = pl.col("text").str.extract_groups(form)

    def __call__(self, name: str) -> pl.Expr:
        return self._groups.struct.field(name)


def _read_form(form: str, *, day_first: bool) -> pl.Expr:
    groups = _Groups(form)
    year = groups("year").cast(pl.Int64, strict=False)
    century = pl.when(year >= TWO_DIGITS).then(1900).otherwise(2000)
    year = pl.when(groups("year").str.len_chars() == 2).then(year + century).otherwise(year)
    if "<first>" in form:
        day, month = (groups("first"), groups("then")) if day_first else (groups("then"), groups("first"))
    elif "<name>" in form:
        month_name = groups("name").str.slice(0, 3).str.to_lowercase()
        numbers = [f"{number:02}" for number in range(1, 13)]
        day = groups("day")
        month = month_name.replace_strict(list(MONTHS), numbers, default=None, return_dtype=pl.String)
    else:
        day, month = groups("day") if "<day>" in form else pl.lit("1"), groups("month")
    written = pl.concat_str(year.cast(pl.String).str.zfill(4), month.str.zfill(2), day.str.zfill(2), separator="-")
    days = written.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    if "<hour>" not in form:
        return days * SECONDS_A_DAY
    clock = pl.when(groups("hour").is_null()).then(0.0).otherwise(_read_clock(groups, zoned=True))
    return days * SECONDS_A_DAY + clock


def _read_clock(groups: _Groups, *, zoned: bool) -> pl.Expr:
    """Return the seconds of the day minus the zone's offset; null where the time does not exist."""
    hour = groups("hour").cast(pl.Float64, strict=False)
    half = groups("half").str.to_lowercase()
    hour_of_twelve = pl.when(hour.is_between(1, 12)).then(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    hour = pl.when(half.is_not_null()).then(hour_of_twelve).otherwise(pl.when(hour <= 23).then(hour))
    second = groups("second").str.replace(",", ".").cast(pl.Float64, strict=False).fill_null(0.0)
    seconds = hour * 3600 + groups("minute").cast(pl.Float64, strict=False) * 60 + second
    if not zoned:
        return seconds
    zone = groups("zone")
    offset = (
        zone.str.slice(1, 2).cast(pl.Float64, strict=False) * 3600
        + zone.str.slice(-2).cast(pl.Float64, strict=False) * 60
    )
    signed = (
        pl.when(zone.str.starts_with("-")).then(-offset).when(zone.str.starts_with("+")).then(offset).otherwise(0.0)
    )
    return seconds - signed.fill_null(0.0)


def _are_dates(values: pl.Series) -> bool:
    text = pl.col("text").str
    forms = (*FORMS, CLOCK, *DOTTED_CLOCKS)
    fits = pl.DataFrame({"text": values}).select(pl.any_horizontal(text.contains(form) for form in forms))
    return int(fits.to_series().sum()) >= len(values) * _MIN_DATES


def _are_clocks(texts: pl.Series) -> bool:
    """Return whether 10.11.12 is a time of day: nearly all texts could be one, and fewer are dates in either order."""
    triples = texts.filter(texts.str.contains(_DOTTED_TRIPLE))
    if len(triples) < len(texts) * _MIN_DATES or triples.is_empty():
        return False
    clocks = _count(_seconds_of_forms(_with_colons(triples), day_first=False))
    dates = max(_count(_seconds_of_forms(triples, day_first=day_first)) for day_first in (True, False))
    return clocks >= len(triples) * _MIN_DATES and clocks > dates


def _count(values: pl.Series) -> int:
    return len(values) - values.null_count()


def _detect_order(column: pl.Series) -> tuple[bool, str | None]:
    """Return whether the day comes before the month, and a warning where no number above 12 shows it."""
    groups = _Groups(_ORDERED)
    numbers = (
        pl.DataFrame({"text": column})
        .select(
            first=groups("first").cast(pl.Int64, strict=False),
            then=groups("then").cast(pl.Int64, strict=False),
            dotted=pl.col("text").str.contains(r"^\d+\."),
        )
        .drop_nulls()
    )
    if numbers.is_empty():
        return False, None
    days_first, months_first = int((numbers["first"] > 12).sum()), int((numbers["then"] > 12).sum())
    if days_first != months_first:
        return days_first > months_first, None
    day_first = bool(numbers["dotted"].all())
    example = "3.4.2024 is 3 April" if day_first else "3/4/2024 is 4 March"
    return day_first, (
        f"column '{column.name}': its dates do not tell whether the day or the month comes first: the "
        f"{'day' if day_first else 'month'} is assumed ({example})"
    )


def _count_without_zone(texts: pl.Series) -> int | None:
    """Return how many times have no zone where some have one; None where all or none have one."""
    timed = texts.str.contains(r"\d:\d\d")
    zoned = texts.str.contains(r":\d\d.*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$")
    bare = int((timed & ~zoned).sum())
    return bare if bare and zoned.any() else None
