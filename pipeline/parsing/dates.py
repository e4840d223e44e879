"""Formats of dates and times, and the parser of one text. Standard library only.

Validation parses whole columns with the same expressions (validation.columns.dates); a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Literal

from pipeline.parsing.date_spellings import ABBREVIATED_ZONE, LETTERS, MONTH_NUMBERS, REWRITES, ZONES

__all__ = [
    "CLOCK",
    "DATE_FORMATS",
    "DOTTED_CLOCKS",
    "EARLIEST",
    "LATEST",
    "NUMBER",
    "SECONDS_A_DAY",
    "TWO_DIGIT_YEAR_PIVOT",
    "UNITS_A_SECOND",
    "TimeUnit",
    "is_ambiguous",
    "parse_timestamp",
    "timestamp_from_number",
]

# Unit of a column's numbers since 1970. "": the column has dates as text, and a JSON number is in seconds. hh.mm.ss:
# the column has times of day such as 10.11.12, which is not a date there.
TimeUnit = Literal["", "s", "ms", "us", "ns", "yyyymmdd", "hh.mm.ss"]
UNITS_A_SECOND: dict[TimeUnit, float] = {"": 1.0, "s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "hh.mm.ss": 1.0}

SECONDS_A_DAY = 86_400
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.999999  # the years 1 to 9999, in seconds since 1970
TWO_DIGIT_YEAR_PIVOT = 69  # as in POSIX: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068

_HALF, _OFFSET = r"(?: ?(?P<half>[AaPp])[Mm])?", r"Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}"
_SECOND = r"(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?"
_CLOCK = rf"(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-5][0-9])(?::{_SECOND})?{_HALF}"
_ZONE = rf"(?: ?(?P<zone>{_OFFSET}))?"
_TIME = rf"(?:(?:[Tt]|,? +){_CLOCK}{_ZONE})?$"
_MONTH = rf"(?P<name>[{LETTERS}]{{3,10}})"
# Digits are written out: \d also matches digits of other scripts, which are not read as dates.
DATE_FORMATS = (
    rf"^(?P<year>[0-9]{{4}})[-/.](?P<month>[0-9]{{1,2}})[-/.](?P<day>[0-9]{{1,2}}){_TIME}",
    r"^(?P<year>[0-9]{4})[-/](?P<month>[0-9]{1,2})$",  # the first day of the month
    rf"^(?P<first>[0-9]{{1,2}})(?P<mark>[-/.])(?P<then>[0-9]{{1,2}})[-/.](?P<year>[0-9]{{4}}|[0-9]{{2}}){_TIME}",
    rf"^(?P<day>[0-9]{{1,2}})[- ]{_MONTH}[- ,.]+(?P<year>[0-9]{{4}}|[0-9]{{2}}){_TIME}",
    rf"^{_MONTH}[. ]+(?P<day>[0-9]{{1,2}}),? +(?P<year>[0-9]{{4}}){_TIME}",
)
CLOCK = rf"^{_CLOCK}$"  # a time of day without a date is on 1970-01-01
NUMBER = r"^[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?$"
# Times of day with dots, in groups that are joined by colons. Without a date in front, such a text is a time of day
# only if it is not a date, and only if it has seconds: 18.00 is a number.
_TAIL = rf"((?: ?[AaPp][Mm])?(?: ?(?:{_OFFSET}))?)$"
DOTTED_CLOCKS = (
    rf"^(.*[Tt ])?([0-9]{{1,2}})\.([0-5][0-9])\.([0-5][0-9](?:[.,][0-9]+)?){_TAIL}",
    rf"^(.*[Tt ])([0-9]{{1,2}})\.([0-5][0-9]){_TAIL}",
)

_Groups = dict[str, str | None]


def parse_timestamp(text: str, *, day_first: bool | None, time_unit: TimeUnit = "") -> float | None:
    """Parse a date, a time of day, or a number in ``time_unit``; without a time zone it is UTC.

    Args:
        text: Text without white space at its ends.
        day_first: Whether 3/4/2024 is April 3 (True) or March 4 (False). None means unknown: then only unambiguous
            dates are parsed, such as 31/1/2024, and 3.4.2024, since with dots the day always comes first.
        time_unit: Unit of numbers. If empty, a text that is a number is no date.

    Returns:
        Seconds since 1970-01-01 UTC; None if the text is no date of the years 1 to 9999.
    """
    if time_unit and re.match(NUMBER, text):
        return None if time_unit == "hh.mm.ss" else timestamp_from_number(float(text), time_unit)
    if time_unit == "hh.mm.ss":
        text = _with_colons(text)
    for spelling in _spellings(text):
        if (seconds := _match_formats(spelling, day_first=day_first)) is not None:
            return seconds if EARLIEST <= seconds <= LATEST else None
    return None


def is_ambiguous(text: str) -> bool:
    """Return whether a text is a date only once the order of day and month is known."""
    return parse_timestamp(text, day_first=None) is None and parse_timestamp(text, day_first=True) is not None


def timestamp_from_number(number: float, time_unit: TimeUnit) -> float | None:
    """Convert a number in ``time_unit`` to seconds since 1970-01-01 UTC; None outside the years 1 to 9999."""
    if time_unit == "yyyymmdd":
        return _parse_yyyymmdd(number)
    units = UNITS_A_SECOND[time_unit]
    return number / units if EARLIEST * units <= number <= LATEST * units else None


def _parse_yyyymmdd(number: float) -> float | None:
    if not 1000_01_01 <= number <= 9999_12_31 or number != int(number):
        return None
    days, day = divmod(int(number), 100)
    year, month = divmod(days, 100)
    return _day_to_seconds(year, month, day)


def _spellings(text: str) -> Iterator[str]:
    """Yield the text, then its rewritten forms where they differ."""
    yield text
    if "." in text and (dotted := _with_colons(text)) != text:
        yield dotted
    if (rewritten := _rewrite(text)) != text:
        yield rewritten
        if "." in rewritten and (dotted := _with_colons(rewritten)) != rewritten:
            yield dotted


def _with_colons(text: str) -> str:
    with_seconds, without = DOTTED_CLOCKS
    text = re.sub(with_seconds, r"\1\2:\3:\4\5", text)
    return re.sub(without, r"\1\2:\3\4", text)


def _rewrite(text: str) -> str:
    for pattern, template in _compiled_rewrites():
        text = pattern.sub(template, text)
    if (match := re.match(ABBREVIATED_ZONE, text)) and match[2] in ZONES:
        return match[1] + ZONES[match[2]]
    return text


@cache
def _compiled() -> list[re.Pattern[str]]:
    """Compile the formats on first use, so that a model without dates does not spend time on it."""
    return [re.compile(form) for form in (*DATE_FORMATS, CLOCK)]


@cache
def _compiled_rewrites() -> list[tuple[re.Pattern[str], str]]:
    """Compile the rewrite rules on first use, so that only texts in other formats spend time on it."""
    return [(re.compile(pattern), re.sub(r"\$\{(\d)\}", r"\\g<\1>", template)) for pattern, template in REWRITES]


def _match_formats(text: str, *, day_first: bool | None) -> float | None:
    for form in _compiled():
        if (match := form.match(text)) is None:
            continue
        groups = match.groupdict()
        day = _start_of_day(groups, day_first=day_first) if "year" in groups else 0
        clock = _clock(groups)
        if day is not None and clock is not None:
            # Add the fraction last: whole seconds are exact, so that the result is rounded once.
            return float(day + clock) + float(f"0.{groups.get('fraction') or 0}")
    return None


def _start_of_day(groups: _Groups, *, day_first: bool | None) -> int | None:
    """Return the day's start in seconds since 1970; None for a day that does not exist or is ambiguous."""
    digits = groups["year"] or ""
    year = int(digits)
    if len(digits) == 2:
        year += 1900 if year >= TWO_DIGIT_YEAR_PIVOT else 2000
    day: str | None
    month: str | int | None
    if "first" in groups:
        order = _detect_order(groups) if day_first is None else day_first
        if order is None:
            return None
        day, month = (groups["first"], groups["then"]) if order else (groups["then"], groups["first"])
    elif "name" in groups:
        day, month = groups["day"], MONTH_NUMBERS.get((groups["name"] or "").lower())
    else:
        day, month = groups.get("day", "1"), groups["month"]
    return _day_to_seconds(year, int(month or 0), int(day or 0))


def _detect_order(groups: _Groups) -> bool | None:
    """Return whether the day comes first in a date; None if the date is ambiguous."""
    first, then = int(groups["first"] or 0), int(groups["then"] or 0)
    if first > 12 or first == then:
        return True
    if then > 12:
        return False
    return True if groups["mark"] == "." else None


def _day_to_seconds(year: int, month: int, day: int) -> int | None:
    try:
        return (date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()) * SECONDS_A_DAY
    except ValueError:
        return None


def _clock(groups: _Groups) -> int | None:
    """Return the whole seconds of the day, minus the time zone's offset."""
    if groups.get("hour") is None:
        return 0
    hour = int(groups["hour"] or 0)
    if half := groups["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 23:
        return None
    seconds = hour * 3600 + int(groups["minute"] or 0) * 60 + int(groups["second"] or 0)
    zone = groups.get("zone") or ""
    if zone[:1] in ("+", "-"):
        offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return seconds
