"""Read columns of dates or times as seconds since 1970 UTC with polars, like parsing.dates for single values."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from pipeline.parsing.date_spellings import ABBREVIATED_ZONE, MONTH_NUMBERS, REWRITES, ZONES
from pipeline.parsing.dates import (
    CLOCK,
    DATE_FORMATS,
    DOTTED_CLOCKS,
    EARLIEST,
    LATEST,
    NUMBER,
    SECONDS_A_DAY,
    TWO_DIGIT_YEAR_PIVOT,
    UNITS_A_SECOND,
    TimeUnit,
)

__all__ = ["convert_temporal", "convert_time_numbers", "read_seconds", "rewrite_dates", "with_colons"]

_HEAD_ROWS = 100  # first values, from which the formats of a column are found
_TEMPORAL_UNITS = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MONTH_DIGITS = {name: f"{number:02}" for name, number in MONTH_NUMBERS.items()}


def convert_temporal(column: pl.Series) -> pl.Series:
    """Convert Date, Datetime, Time or Duration to seconds; without a zone it is UTC, a Time is on 1970-01-01."""
    if column.dtype == pl.Date:
        return column.cast(pl.Int32).cast(pl.Float64) * SECONDS_A_DAY
    unit = "ns" if column.dtype == pl.Time else column.dtype.time_unit  # type: ignore[attr-defined]  # others have it
    ticks, a_second = column.cast(pl.Int64), _TEMPORAL_UNITS[unit or "us"]
    seconds = ticks // a_second
    # Add whole seconds and fraction, rounding once as for a text, so that both give the same number.
    return seconds.cast(pl.Float64) + _divide((ticks - seconds * a_second).cast(pl.Float64), a_second)


def read_seconds(column: pl.Series, *, day_first: bool | None, time_unit: TimeUnit = "") -> pl.Series:
    """Read texts like ``parsing.dates.parse_timestamp``: Float64, null for a text that is not a date."""
    seconds = pl.Series(column.name, [None], dtype=pl.Float64).new_from_index(0, len(column))
    texts = column
    if time_unit:
        is_number = column.str.contains(NUMBER)
        texts = column.set(is_number, None)
        if time_unit == "hh.mm.ss":
            texts = with_colons(texts)
        elif is_number.any():
            numbers = column.set(~is_number, None).cast(pl.Float64, strict=False)
            seconds = convert_time_numbers(numbers, time_unit)

    def read_forms(spelled: pl.Series) -> pl.Series:
        return _read_forms(spelled, day_first=day_first)

    def read(spelled: pl.Series) -> pl.Series:
        return _fill(read_forms(spelled), spelled, lambda pending: read_forms(with_colons(pending)))

    seconds = _fill(seconds, texts, read)
    if len(texts) > _HEAD_ROWS:
        seconds = _fill(seconds, texts, lambda pending: read(_rewrite_by_head(pending)))
    seconds = _fill(seconds, texts, lambda pending: read(rewrite_dates(pending)))
    return seconds.set(~seconds.is_between(EARLIEST, LATEST), None)


def convert_time_numbers(column: pl.Series, time_unit: TimeUnit) -> pl.Series:
    """Read numbers like ``parsing.dates.timestamp_from_number``: Float64, null outside of the years 1 to 9999."""
    numbers = column.cast(pl.Float64)
    if time_unit == "yyyymmdd":
        is_date = numbers.is_between(1000_01_01, 9999_12_31) & (numbers == numbers.floor())
        written = numbers.set(~is_date, None).cast(pl.Int64).cast(pl.String)
        return written.str.to_date("%Y%m%d", strict=False).cast(pl.Int32).cast(pl.Float64) * SECONDS_A_DAY
    units = UNITS_A_SECOND[time_unit]
    seconds = _divide(numbers, units)
    return seconds.set(~numbers.is_between(EARLIEST * units, LATEST * units).fill_null(value=False), None)


def with_colons(texts: pl.Series) -> pl.Series:
    """Rewrite times of day with dots, such as 18.00.00, with colons."""
    with_seconds, without = DOTTED_CLOCKS
    return texts.str.replace(with_seconds, "${1}${2}:${3}:${4}${5}").str.replace(without, "${1}${2}:${3}${4}")


def rewrite_dates(texts: pl.Series) -> pl.Series:
    """Rewrite dates in formats of programs and languages to the usual formats."""
    for pattern, template in REWRITES:
        texts = texts.str.replace(pattern, template)
    return _with_offsets(texts)


def _rewrite_by_head(texts: pl.Series) -> pl.Series:
    """Apply only the rules that the first values need: nearly all columns have a single format."""
    head = texts.head(_HEAD_ROWS)
    for pattern, template in REWRITES:
        rewritten = head.str.replace(pattern, template)
        if not rewritten.equals(head):
            head, texts = rewritten, texts.str.replace(pattern, template)
    return _with_offsets(texts)


def _with_offsets(texts: pl.Series) -> pl.Series:
    """Replace abbreviated zones, such as EST, by their offsets."""
    zoned = texts.str.contains(ABBREVIATED_ZONE).arg_true()
    if zoned.is_empty():
        return texts
    groups = texts.gather(zoned).str.extract_groups(ABBREVIATED_ZONE).struct.unnest()
    offset = pl.col("2").replace_strict(ZONES, default=None, return_dtype=pl.String)
    rewritten = groups.select(pl.concat_str("1", offset)).to_series()  # null for an unknown zone
    return texts.clone().scatter(zoned.filter(rewritten.is_not_null()), rewritten.drop_nulls())


def _divide(numbers: pl.Series, divisor: float) -> pl.Series:
    """Divide by a column: polars divides by a scalar through its reciprocal, which rounds differently."""
    return numbers / pl.Series([float(divisor)]).new_from_index(0, len(numbers))


def _fill(seconds: pl.Series, texts: pl.Series, read: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Read the texts that have not been read yet."""
    pending = (seconds.is_null() & texts.is_not_null()).arg_true()
    if pending.is_empty():
        return seconds
    if len(pending) == len(texts):
        return read(texts)
    return seconds.scatter(pending, read(texts.gather(pending)))


def _read_forms(texts: pl.Series, *, day_first: bool | None) -> pl.Series:
    """Read each text by the only format that it matches; the most frequent format of the first texts is tried first."""
    seconds = pl.Series(texts.name, [None], dtype=pl.Float64).new_from_index(0, len(texts))
    head = texts.drop_nulls().head(_HEAD_ROWS)
    forms = sorted((*DATE_FORMATS, CLOCK), key=lambda form: -int(head.str.contains(form).sum()))
    pending = texts.is_not_null().arg_true()
    for form in forms:
        if pending.is_empty():
            break
        remaining = texts if len(pending) == len(texts) else texts.gather(pending)
        fits = remaining.str.contains(form)
        if fits.all():
            readings = _read_form(remaining, form, day_first=day_first)
            return readings if len(pending) == len(texts) else seconds.scatter(pending, readings)
        if fits.any():
            seconds.scatter(pending.filter(fits), _read_form(remaining.filter(fits), form, day_first=day_first))
            pending = pending.filter(~fits)
    return seconds


def _read_form(texts: pl.Series, form: str, *, day_first: bool | None) -> pl.Series:
    groups = texts.str.extract_groups(form).struct.unnest()
    seconds = pl.lit(0)
    if "year" in groups.columns:
        seconds = _days(groups.columns, day_first=day_first) * SECONDS_A_DAY
    if "hour" not in groups.columns:
        return groups.select(seconds.cast(pl.Float64).alias(texts.name)).to_series()
    fraction = pl.concat_str(pl.lit("0."), "fraction").cast(pl.Float64, strict=False).fill_null(0.0)
    seconds += pl.when(pl.col("hour").is_null()).then(0).otherwise(_clock(zoned="zone" in groups.columns))
    return groups.select((seconds.cast(pl.Float64) + fraction).alias(texts.name)).to_series()


def _days(groups: list[str], *, day_first: bool | None) -> pl.Expr:
    """Return days since 1970; null for a day that does not exist or is ambiguous."""
    digits, year = pl.col("year"), pl.col("year").cast(pl.Int64)
    century = pl.when(year >= TWO_DIGIT_YEAR_PIVOT).then(1900).otherwise(2000)
    year = pl.when(digits.str.len_chars() == 2).then(year + century).otherwise(year)
    day: pl.Expr
    month: pl.Expr
    if "first" in groups:
        order = _detect_order() if day_first is None else pl.lit(day_first)
        day = pl.when(order).then("first").when(~order).then("then")
        month = pl.when(order).then("then").when(~order).then("first")
    elif "name" in groups:
        name = pl.col("name").str.to_lowercase()
        day, month = pl.col("day"), name.replace_strict(_MONTH_DIGITS, default=None, return_dtype=pl.String)
    else:
        day, month = pl.col("day") if "day" in groups else pl.lit("1"), pl.col("month")
    written = pl.concat_str(year.cast(pl.String).str.zfill(4), month.str.zfill(2), day.str.zfill(2), separator="-")
    return written.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Int64)


def _detect_order() -> pl.Expr:
    """Return whether a date itself shows that its day comes first; null if it does not."""
    first, then = pl.col("first").cast(pl.Int64), pl.col("then").cast(pl.Int64)
    by_mark = pl.when(pl.col("mark") == ".").then(pl.lit(value=True))
    return pl.when((first > 12) | (first == then)).then(True).when(then > 12).then(False).otherwise(by_mark)


def _clock(*, zoned: bool) -> pl.Expr:
    """Return the seconds of the day minus the zone's offset; null for a time that does not exist."""
    hour, half = pl.col("hour").cast(pl.Int64), pl.col("half").str.to_lowercase()
    hour_of_twelve = pl.when(hour.is_between(1, 12)).then(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    hour = pl.when(half.is_not_null()).then(hour_of_twelve).otherwise(pl.when(hour <= 23).then(hour))
    seconds = hour * 3600 + pl.col("minute").cast(pl.Int64) * 60 + pl.col("second").cast(pl.Int64).fill_null(0)
    if not zoned:
        return seconds
    zone = pl.col("zone")
    offset = (
        zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 3600 + zone.str.slice(-2).cast(pl.Int64, strict=False) * 60
    )
    sign = pl.when(zone.str.starts_with("-")).then(-1).when(zone.str.starts_with("+")).then(1)
    return seconds - (sign * offset).fill_null(0)
