"""Dates and times as text: which forms there are, and one text read. Standard library only.

Validation reads whole columns by the same expressions (validation.columns.dates); a test holds the two equal.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Literal

__all__ = [
    "CLOCK",
    "DOTTED_CLOCKS",
    "EARLIEST",
    "FORMS",
    "LATEST",
    "MONTHS",
    "NUMBER",
    "SECONDS_A_DAY",
    "TWO_DIGITS",
    "UNITS_A_SECOND",
    "TimeUnit",
    "seconds_of",
    "seconds_of_number",
]

# What a number counts since 1970; "": its column has dates as text, and a JSON number is seconds. hh.mm.ss: its column
# has times of day such as 10.11.12, which is no tenth of November there.
TimeUnit = Literal["", "s", "ms", "us", "ns", "yyyymmdd", "hh.mm.ss"]
UNITS_A_SECOND: dict[TimeUnit, float] = {"": 1.0, "s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "hh.mm.ss": 1.0}

SECONDS_A_DAY = 86_400
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.999999  # the years 1 to 9999, in seconds since 1970
TWO_DIGITS = 69  # as POSIX has it: 69 to 99 are of the last century, 00 to 68 of this one
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_SECOND, _HALF, _OFFSET = r"[0-5]\d(?:[.,]\d+)?", r"(?: ?(?P<half>[AaPp])[Mm])?", r"Z|UTC|GMT|[+-]\d{2}:?\d{2}"
_CLOCK = rf"(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>{_SECOND}))?{_HALF}"
_ZONE = rf"(?: ?(?P<zone>{_OFFSET}))?"
_TIME = rf"(?:(?:[Tt]|,? +){_CLOCK}{_ZONE})?$"
_MONTH = r"(?P<name>[A-Za-z]{3,9})"
# ASCII digits alone (?-u: or re.ASCII) are not asked for: a digit of another script fails where it becomes a number.
FORMS = (
    rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_TIME}",
    r"^(?P<year>\d{4})[-/](?P<month>\d{1,2})$",  # its first day
    rf"^(?P<first>\d{{1,2}})[-/.](?P<then>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}}){_TIME}",
    rf"^(?P<day>\d{{1,2}})[- ]{_MONTH}[- ,.]+(?P<year>\d{{4}}|\d{{2}}){_TIME}",
    rf"^{_MONTH}[. ]+(?P<day>\d{{1,2}}),? +(?P<year>\d{{4}}){_TIME}",
)
CLOCK = rf"^{_CLOCK}$"  # a time of day without a date: it counts as of 1970-01-01
NUMBER = r"^[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?$"
# Clocks with dots, in groups between which colons belong. Alone such a text is a clock where it is no date, and only
# with its seconds: 18.00 is a number.
_TAIL = rf"((?: ?[AaPp][Mm])?(?: ?(?:{_OFFSET}))?)$"
DOTTED_CLOCKS = (rf"^(.*[Tt ])?(\d{{1,2}})\.([0-5]\d)\.({_SECOND}){_TAIL}", rf"^(.*[Tt ])(\d{{1,2}})\.([0-5]\d){_TAIL}")

_Parts = dict[str, str]  # of what is not there the value is None


def seconds_of(text: str, *, day_first: bool, time_unit: TimeUnit = "") -> float | None:
    """Read a date, a time of day, or a number in ``time_unit`` as seconds since 1970; without a zone it is UTC.

    Args:
        text: without white space at its ends.
        day_first: 3/4/2024 is the third of April, and not the fourth of March.
        time_unit: what a number counts. Where it is empty, a text that is a number is no date.

    Returns:
        None where the text is no date of the years 1 to 9999.
    """
    if not text.isascii():
        return None
    if time_unit and re.match(NUMBER, text):
        return None if time_unit == "hh.mm.ss" else seconds_of_number(float(text), time_unit)
    if time_unit == "hh.mm.ss":
        text = _with_colons(text)
    seconds = _seconds_of_form(text, day_first=day_first)
    if seconds is None and "." in text:
        seconds = _seconds_of_form(_with_colons(text), day_first=day_first)
    return seconds if seconds is not None and EARLIEST <= seconds <= LATEST else None


def seconds_of_number(number: float, time_unit: TimeUnit) -> float | None:
    """Seconds since 1970 UTC of a number in ``time_unit``; None outside of the years 1 to 9999."""
    if time_unit == "yyyymmdd":
        return _seconds_of_whole_date(number)
    units = UNITS_A_SECOND[time_unit]
    return number / units if EARLIEST * units <= number <= LATEST * units else None


def _seconds_of_whole_date(number: float) -> float | None:
    if not 1000_01_01 <= number <= 9999_12_31 or number != int(number):
        return None
    days, day = divmod(int(number), 100)
    year, month = divmod(days, 100)
    return _seconds_of_day(year, month, day)


def _seconds_of_form(text: str, *, day_first: bool) -> float | None:
    for form in _compiled():
        if (match := form.match(text)) is None:
            continue
        parts = match.groupdict()
        day = _start_of_day(parts, day_first=day_first) if "year" in parts else 0.0
        clock = _clock(parts)
        if day is not None and clock is not None:
            return day + clock
    return None


def _with_colons(text: str) -> str:
    with_seconds, without = DOTTED_CLOCKS
    text = re.sub(with_seconds, r"\1\2:\3:\4\5", text)
    return re.sub(without, r"\1\2:\3\4", text)


@cache
def _compiled() -> list[re.Pattern[str]]:
    """Only a model that reads dates pays for it."""
    return [re.compile(form) for form in (*FORMS, CLOCK)]


def _start_of_day(parts: _Parts, *, day_first: bool) -> float | None:
    """None for a day that there is not."""
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year >= TWO_DIGITS else 2000
    if "first" in parts:
        day, month = (parts["first"], parts["then"]) if day_first else (parts["then"], parts["first"])
    elif "name" in parts:
        name = parts["name"][:3].lower()
        if name not in MONTHS:
            return None
        day, month = parts["day"], str(MONTHS.index(name) + 1)
    else:
        day, month = parts.get("day", "1"), parts["month"]
    return _seconds_of_day(year, int(month), int(day))


def _seconds_of_day(year: int, month: int, day: int) -> float | None:
    try:
        return float((date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()) * SECONDS_A_DAY)
    except ValueError:
        return None


def _clock(parts: _Parts) -> float | None:
    """Seconds of the day, less its zone's."""
    if parts.get("hour") is None:
        return 0.0
    hour = int(parts["hour"])
    if parts["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    if hour > 23:
        return None
    seconds = hour * 3600 + int(parts["minute"]) * 60 + float((parts["second"] or "0").replace(",", "."))
    zone = parts.get("zone") or ""
    if zone[:1] in ("+", "-"):
        away = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        seconds -= away if zone[0] == "+" else -away
    return seconds
