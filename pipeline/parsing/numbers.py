"""Numbers in written forms such as 1.299,99 and 12.5 % and ($204.10). Standard library only.

Validation parses whole columns with the same patterns (validation.columns.numbers); a test compares the two.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

__all__ = [
    "AMBIGUOUS_POINT",
    "BLANK",
    "BOUND",
    "CODE",
    "CURRENCY",
    "DASH",
    "MAGNITUDE",
    "MAGNITUDES",
    "MINUS",
    "PLAIN",
    "ZERO",
    "NumberFormat",
    "digits_pattern",
    "group_marks",
    "parse_number",
    "pattern",
    "write_number",
]


@dataclass(frozen=True, kw_only=True)  # with slots, generating the class takes twice as long
class NumberFormat:
    """Number format of a column. Every format accepts signs, accounting negatives, bounds (<0.5) and currencies.

    Attributes:
        decimal: Decimal mark, ``.`` or ``,``.
        group: Mark between thousands: one of ``, . '`` or a blank; empty if the file had none.
        units: Texts after a number that are ignored, such as a unit that all rows have, or a percent sign: 12 % is 12.
        magnitudes: Whether suffixes multiply: 1.2k is 1200.
    """

    decimal: str = "."
    group: str = ""
    units: tuple[str, ...] = ()
    magnitudes: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(self.units))  # JSON gives a list


PLAIN = NumberFormat()

# The patterns work in Python's and in polars' engine: no look-around, and no class such as \d, which also matches
# digits of other scripts.
BLANK = "[ \u00a0\u2007\u2009\u202f]"  # also no-break, figure, thin and narrow no-break space
MINUS = "[-\u2212\u2013]"  # also the minus sign and the en dash
DASH = "(?:--?|[\u2013\u2014])"  # dash instead of decimals, as in 12,-
CODE = "^0[0-9]+$"  # codes such as 007, which would lose their zeros as numbers
BOUND = rf"^{BLANK}*[<>\u2264\u2265~\u2248]|[0-9][^0-9]*\+[^0-9]*$"  # only for texts that are numbers
AMBIGUOUS_POINT = (
    r"^[-+]?[1-9][0-9]{0,2}\.[0-9]{3}$"  # 1.299: a decimal point, or thousands where the decimal mark is a comma
)
CURRENCY = "(?:{})".format(
    "|".join(
        [
            r"[A-Z]{0,3}[$\u00a2\u00a3\u00a5\u0e3f\u20a0-\u20c0\ufdfc\uffe5]",  # also US$ and R$
            "USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|RUB|TRY|UAH|BRL|MXN|ARS",
            "CLP|COP|ZAR|KRW|SGD|HKD|TWD|THB|IDR|MYR|VND|ILS|AED|SAR|QAR|KWD|EGP|NGN|KES|PKR|BDT|LKR",
            # Lower-case letters may be an abbreviation, whose point is not a decimal point.
            r"(?:[Ee]uros?|[Ee]ur|[Dd]ollars?|[Uu]sd|gbp|chf|[Kk]r|SFr|Rs|Rp|z\u0142|lei|\u043b\u0432|\u0440\u0443\u0431|\u0440"
            r"|\u0433\u0440\u043d)\.?|Fr\.|EUROS?|TL|K\u010d|Ft|\u5186|\u5143|\uc6d0",
        ]
    )
)
MAGNITUDES = {
    **dict.fromkeys(("k", "tsd", "thousand"), 1e3),
    **dict.fromkeys(("lac", "lacs", "lakh", "lakhs"), 1e5),
    **dict.fromkeys(("m", "mn", "mio", "million"), 1e6),
    **dict.fromkeys(("cr", "crore", "crores"), 1e7),
    **dict.fromkeys(("b", "bn", "mrd", "billion"), 1e9),
    **dict.fromkeys(("tn", "trillion"), 1e12),
}
MAGNITUDE = rf"(?:(?i:{'|'.join(sorted(MAGNITUDES, key=len, reverse=True))})\.?)"
ZERO = rf"^{BLANK}*(?:{CURRENCY}{BLANK}*{DASH}|{DASH}{BLANK}*{CURRENCY}){BLANK}*$"  # 0 in Excel's accounting format

_EXPONENT = "(?:[eE][-+]?[0-9]+)"
_PLAIN_NUMBER = rf"(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}?"
_APOSTROPHE = "['\u2019]"


def parse_number(text: str, number_format: NumberFormat) -> float | None:
    """Parse a text in the number format of its column.

    Args:
        text: Text that is not a marker of a missing value.
        number_format: Format of the column. Plain numbers (-3.5, 1e5, .5) are accepted in every format unless they mean
            another number in it (1.500 with decimal commas).

    Returns:
        The number, or the bound of a bound (<0.5, 10,000+); None for anything else, codes such as 007 included.
    """
    plain = _compiled(rf"[-+]?{_PLAIN_NUMBER}").fullmatch(text)
    if plain and (number_format.decimal == "." or not _compiled(AMBIGUOUS_POINT).match(text)):
        return None if _compiled(CODE).match(text) else _finite(float(text))
    match = _compiled(pattern(number_format)).match(text)
    if match is None or text.endswith("\n"):
        return 0.0 if _compiled(ZERO).match(text) and not text.endswith("\n") else None
    return _value(match, number_format)


def write_number(number: float) -> str:
    """Write a number as text that every format parses alike: 1.519 would be 1519 with decimal commas."""
    text = repr(number)
    return f"{text}0" if _compiled(AMBIGUOUS_POINT).match(text) else text


def group_marks(number_format: NumberFormat) -> str:
    """Return the pattern of a mark between thousands."""
    separator = "." if number_format.decimal == "," else ","
    return f"(?:{BLANK}|{_APOSTROPHE}|[{separator}])"


@cache
def pattern(number_format: NumberFormat) -> str:
    """Return the pattern of a number in a format, for Python's and for polars' engine.

    Its groups: ``plain`` is a number as float() reads it, else ``local`` is one with ``group_marks`` and the format's
    decimal mark. ``sign``, ``inner``, ``open`` and ``minus`` may make it negative. ``magnitude``, present in a format
    with magnitudes, multiplies it. A match is a number if at most one of these four is present, ``close`` is present
    exactly if ``open`` is, and ``local`` has no blank after a plus (a telephone number).
    """
    units = "".join(f"|{re.escape(unit)}" for unit in sorted(number_format.units, key=len, reverse=True))
    suffix = rf"(?:{BLANK}*(?:{CURRENCY}{units}))"
    magnitude = rf"(?:{BLANK}*(?P<magnitude>{MAGNITUDE}))?" if number_format.magnitudes else ""
    return (
        rf"^{BLANK}*(?:[<>]=?|[\u2264\u2265~\u2248])?{BLANK}*(?P<sign>\+|{MINUS})?{BLANK}*(?:{CURRENCY}{BLANK}*)?"
        rf"(?P<open>\()?{BLANK}*(?:{CURRENCY}{BLANK}*)?(?P<inner>{MINUS})?{BLANK}*{digits_pattern(number_format)}{magnitude}"
        rf"(?P<minus>{MINUS})?{BLANK}*\+?{suffix}?\+?{BLANK}*(?:(?P<close>\)){suffix}?)?{BLANK}*$"
    )


def digits_pattern(number_format: NumberFormat) -> str:
    """Return the pattern of the digits alone. ``local`` comes first, otherwise the dash of 12.- would be a minus."""
    if number_format.decimal == ".":
        return rf"(?:(?P<local>{_grouped(number_format)})|(?P<plain>{_PLAIN_NUMBER}))"
    # ``plain`` excludes 1.500, which only ``local`` matches, and only if the format's group mark is a point.
    plain = (
        rf"[0-9]+(?:\.[0-9]*)?{_EXPONENT}|\.[0-9]+{_EXPONENT}?|0[0-9]*\.[0-9]*|[0-9]{{4,}}\.[0-9]*"
        rf"|[0-9]+\.(?:[0-9]{{4,}}|[0-9]{{0,2}})|[0-9]+"
    )
    return rf"(?:(?P<local>{_grouped(number_format)}|[0-9]*,[0-9]+{_EXPONENT}?)|(?P<plain>{plain}))"


def _grouped(number_format: NumberFormat) -> str:
    """Return the pattern of a number with thousands marked by blanks, apostrophes, or the other decimal mark."""
    decimal, separator = (",", r"\.") if number_format.decimal == "," else (r"\.", ",")
    decimals = rf"(?:{decimal}(?:[0-9]+|{DASH}))"
    first = "[1-9][0-9]{0,2}"
    clear = "|".join(rf"{first}(?:{mark}[0-9]{{3}})+{decimals}?" for mark in (BLANK, _APOSTROPHE))
    if number_format.group == ("." if separator == r"\." else ","):
        by_separator = rf"{first}(?:{separator}[0-9]{{3}})+{decimals}?"
    else:
        by_separator = rf"{first}{separator}[0-9]{{3}}(?:(?:{separator}[0-9]{{3}})+{decimals}?|{decimals})"
    indian = rf"|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}{decimals}?" if separator == "," else ""
    return rf"{clear}|{by_separator}{indian}|[0-9]+[.,]{DASH}"


def _value(match: re.Match[str], number_format: NumberFormat) -> float | None:
    sign, local = match["sign"], match["local"]
    signs = sum(match[name] is not None for name in ("sign", "inner", "open", "minus"))
    is_phone = sign == "+" and local is not None and _compiled(BLANK).search(local) is not None
    if signs > 1 or (match["open"] is None) != (match["close"] is None) or is_phone:
        return None
    digits = match["plain"] if local is None else _plain_digits(local, number_format)
    magnitude = match["magnitude"] if number_format.magnitudes else None
    number = float(digits) * (1.0 if magnitude is None else MAGNITUDES[magnitude.lower().removesuffix(".")])
    return _finite(-number if signs and sign != "+" else number)


def _plain_digits(local: str, number_format: NumberFormat) -> str:
    digits = _compiled(rf"[.,]{DASH}$").sub("", local)
    return _compiled(group_marks(number_format)).sub("", digits).replace(",", ".")


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    """Compile an expression on first use, so that a model without such numbers does not spend time on it."""
    return re.compile(expression)
