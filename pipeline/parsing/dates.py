"""Dates and times as text: which forms there are, and one text read. Standard library only.

Validation reads whole columns by the same expressions (validation.columns.dates); a test holds the two equal.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Literal

__all__ = ["CLOCK", "EARLIEST", "FORMS", "LATEST", "MONTHS", "SECONDS_A_DAY", "TWO_DIGITS", "TimeUnit", "seconds_of"]

TimeUnit = Literal["", "s", "ms", "us", "ns", "yyyymmdd"]  # what a whole number counts since 1970; "": it is no date

SECONDS_A_DAY = 86_400
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.999999  # the years 1 to 9999, in seconds since 1970
TWO_DIGITS = 69  # as POSIX has it: 69 to 99 are of the last century, 00 to 68 of this one
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?))?(?: ?(?P<half>[AaPp])[Mm])?"
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
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

_Parts = dict[str, str]  # of what is not there the value is None


def seconds_of(text: str, *, day_first: bool) -> float | None:
    """Seconds since 1970 UTC of one of the FORMS, or of a time of day; without a zone it is UTC. None: it is none.

    ``day_first``: 3/4/2024 is the third of April, and not the fourth of March.
    """
    match = next(filter(None, (form.match(text) for form in _compiled())), None)
    if match is None or not text.isascii():
        return None
    parts = match.groupdict()
    day = _day(parts, day_first=day_first) if "year" in parts else 0
    clock = _clock(parts)
    return None if day is None or clock is None else day * SECONDS_A_DAY + clock


@cache
def _compiled() -> list[re.Pattern[str]]:
    """Only a model that reads dates pays for it."""
    return [re.compile(form) for form in (*FORMS, CLOCK)]


def _day(parts: _Parts, *, day_first: bool) -> int | None:
    """Days since 1970; None for a day that there is not."""
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year >= TWO_DIGITS else 2000
    if "first" in parts:
        day, month = (parts["first"], parts["then"]) if day_first else (parts["then"], parts["first"])
    elif "name" in parts:
        known = parts["name"][:3].lower()
        if known not in MONTHS:
            return None
        day, month = parts["day"], str(MONTHS.index(known) + 1)
    else:
        day, month = parts.get("day", "1"), parts["month"]
    try:
        return date(year, int(month), int(day)).toordinal() - date(1970, 1, 1).toordinal()
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
