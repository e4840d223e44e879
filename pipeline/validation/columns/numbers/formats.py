"""The format of a column's numbers: decimal mark, thousands separator, units, magnitudes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from pipeline.parsing.numbers import BLANK, CURRENCY, DASH, MAGNITUDE, MAGNITUDES, MINUS, NumberFormat

__all__ = ["Decimals", "count_decimals", "detect_format", "split_spellings"]

MAX_UNITS = 50  # maximum distinct texts after the numbers; with more, they are words
_NEARLY_ALL = 0.99  # minimum fraction of the most frequent unit among the values with a unit
_MIN_UNIT_FRACTION = 0.9  # minimum fraction of nonzero values with the unit; others may have another unit
_MIN_PROOF_FRACTION = 0.001  # minimum proofs of a decimal mark per ambiguous value; fewer may be typing errors

_UNIT = (
    rf"(?:[^\s0-9+\-\u2013\u2014\u2212()<>=.,:;/]\S{{0,15}}?(?:{BLANK}\S{{1,11}}){{0,2}}?"
    rf"|/{BLANK}?(?:5|10|100|\pL\S{{0,15}}))"  # a unit such as /day, or a score such as /10
)
# Digits and marks, which are validated later.
_BODY = rf"[.,]?[0-9](?:(?:[0-9.,'\u2019]|{BLANK})*[0-9])?(?:[.,]{DASH})?[.,]?(?:[eE][-+]?[0-9]+)?"
_SPELLING = (
    rf"^{BLANK}*(?:[<>]=?|[\u2264\u2265~\u2248])?{BLANK}*[-+\u2212\u2013]?{BLANK}*(?P<before>{CURRENCY})?{BLANK}*\(?{BLANK}*"
    rf"(?P<inside>{CURRENCY})?{MINUS}?{BLANK}*(?P<body>{_BODY})(?:{MINUS}?\+?{BLANK}*(?P<after>{_UNIT})?\+?"
    rf"(?:\)(?:{BLANK}*(?P<last>{_UNIT}))?)?){BLANK}*$"
)
_MAGNITUDE_AND_CURRENCY = rf"^({MAGNITUDE}){BLANK}*({CURRENCY})$"
# Not units: 05JAN2024 and 3. März 2024 are dates, 20240105T100000Z is a time.
_IS_DATE = re.compile(
    r"[0-9]{2}|^(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*\b", re.IGNORECASE
)
_CURRENCY_NAMES = {
    **dict.fromkeys(("\u20ac", "EURO", "EUROS", "EUR"), "EUR"),
    **dict.fromkeys(("$", "US$", "DOLLAR", "DOLLARS", "USD"), "USD"),
    **dict.fromkeys(("\u00a3", "GBP"), "GBP"),
    **dict.fromkeys(("\u20b9", "RS", "INR", "\u20a8"), "INR"),
    **dict.fromkeys(("\u00a5", "\u5186", "\u5143", "JPY", "CNY", "RMB"), "\u00a5"),
    **dict.fromkeys(("FR", "SFR", "CHF"), "CHF"),
    **dict.fromkeys(("KR", "SEK", "NOK", "DKK"), "KR"),
    **dict.fromkeys(("R$", "BRL"), "BRL"),
    **dict.fromkeys(("Z\u0141", "PLN"), "PLN"),
    **dict.fromkeys(("TL", "\u20ba", "TRY"), "TRY"),
}

_FIRST = "[1-9][0-9]{0,2}"
_CLEAR_GROUPS = rf"{_FIRST}(?:(?:{BLANK}|['\u2019])[0-9]{{3}})+"


def _proof(decimal: str, separator: str) -> str:
    """Return a pattern of texts that are numbers only with this decimal mark."""
    decimals = rf"{decimal}(?:[0-9]+|{DASH})"
    indian = rf"|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}(?:{decimals})?" if separator == "," else ""
    return (
        rf"^(?:{_FIRST}(?:{separator}[0-9]{{3}})+{decimals}|{_FIRST}(?:{separator}[0-9]{{3}}){{2,}}{indian}|{_CLEAR_GROUPS}{decimals}"
        rf"|[0-9]*{decimal}(?:[0-9]{{1,2}}|[0-9]{{4,}})(?:[eE][-+]?[0-9]+)?|(?:0[0-9]*|[0-9]{{4,}}|){decimal}[0-9]{{3}}"
        rf"|[0-9]+{decimal}{DASH})$"
    )


_COMMA_PROOF, _POINT_PROOF = _proof(",", r"\."), _proof(r"\.", ",")
_COMMA_THREE, _POINT_THREE = rf"^{_FIRST},[0-9]{{3}}$", rf"^{_FIRST}\.[0-9]{{3}}$"
_COMMA_GROUPS, _POINT_GROUPS = (rf"^[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}" for mark in (",", r"\."))


@dataclass(frozen=True, kw_only=True, slots=True)
class Decimals:
    """Counts of values that prove a decimal comma, a decimal point, or neither (1,299 and 1.299)."""

    comma: int
    point: int
    comma_or_thousands: int
    point_or_thousands: int

    @property
    def evidence(self) -> int:
        """Above 0: a decimal comma is proven; below 0: a decimal point; 0: neither."""
        ambiguous = self.comma_or_thousands + self.point_or_thousands
        return self.comma - self.point if max(self.comma, self.point) >= ambiguous * _MIN_PROOF_FRACTION else 0

    @property
    def are_ambiguous(self) -> bool:
        """Return whether some values fit both formats and none proves which."""
        return self.evidence == 0 and self.comma_or_thousands + self.point_or_thousands > 0


def are_spelled(texts: pl.Series) -> pl.Series:
    """Return which texts look like numbers; these are the texts that ``split_spellings`` splits."""
    return texts.str.contains(_SPELLING)


def split_spellings(counts: pl.DataFrame) -> pl.DataFrame:
    """Split each value into ``body``, the digits, and ``currency`` and ``unit``, the texts around it; null if absent.

    Args:
        counts: Distinct values in column ``text``, and their frequency in column ``count``.

    Returns:
        The rows that look like numbers, with columns for these parts.
    """
    frame = counts.filter(are_spelled(counts["text"]))
    groups = pl.col("text").str.extract_groups(_SPELLING).alias("groups")
    split = frame.with_columns(groups).unnest("groups").with_columns(after=pl.coalesce("after", "last"))
    after = pl.col("after")
    is_currency = after.str.contains(f"^{CURRENCY}$")
    has_both = ~is_currency & after.str.contains(_MAGNITUDE_AND_CURRENCY)  # 3 Mio. \u20ac
    unit = pl.when(has_both).then(after.str.extract(_MAGNITUDE_AND_CURRENCY)).when(~is_currency).then(after)
    after_currency = pl.when(is_currency).then(after).when(has_both).then(after.str.extract(_MAGNITUDE_AND_CURRENCY, 2))
    currency = pl.coalesce("before", "inside", after_currency)
    return split.select("text", "count", "body", currency.alias("currency"), unit.alias("unit"))


def count_decimals(spellings: pl.DataFrame) -> Decimals:
    """Count the values that prove a decimal mark in the result of ``split_spellings``."""
    patterns = {
        "comma": _COMMA_PROOF,
        "point": _POINT_PROOF,
        "comma_or_thousands": _COMMA_THREE,
        "point_or_thousands": _POINT_THREE,
    }
    bodies = spellings.filter(~pl.col("body").str.contains(r"^0[.,]000$"))  # the same with either mark
    sums = bodies.select(
        pl.col("count").filter(pl.col("body").str.contains(pattern)).sum().alias(name)
        for name, pattern in patterns.items()
    )
    return Decimals(**sums.row(0, named=True))


def detect_format(spellings: pl.DataFrame, decimal: str) -> NumberFormat | None:
    """Return the number format of a column's spellings with a decimal mark; None if their units differ."""
    units = _detect_units(spellings)
    return None if units is None else replace(units, decimal=decimal, group=_group(spellings["body"], decimal))


def _group(bodies: pl.Series, decimal: str) -> str:
    separator, pattern = (".", _POINT_GROUPS) if decimal == "," else (",", _COMMA_GROUPS)
    for mark, groups in ((separator, pattern), (" ", rf"[0-9]{BLANK}[0-9]"), ("'", r"[0-9]['\u2019][0-9]")):
        if bodies.str.contains(groups).any():
            return mark
    return ""


def _detect_units(spellings: pl.DataFrame) -> NumberFormat | None:
    """Return a format with the spellings of the unit that all values have; None if the units differ."""
    written = spellings.group_by("currency", "unit").agg(pl.col("count").sum())
    currencies = _count((_currency_name(name), count) for name, _, count in written.rows() if name is not None)
    units = _count((unit, count) for _, unit, count in written.rows() if unit is not None)
    if written.height > MAX_UNITS or (currencies and not _is_dominant(currencies)):
        return None
    is_zero = pl.col("unit").is_null() & pl.col("body").str.contains(r"^0*[.,]?0*$")
    values = int(spellings.filter(~is_zero)["count"].sum())
    if units.total() and _are_magnitudes(units, bare=1 - units.total() / values, currencies=currencies):
        return NumberFormat(magnitudes=True)
    if units.total() <= values * (1 - _NEARLY_ALL):
        return NumberFormat()  # no units, or only in single cells, which then are not numbers
    return _find_shared_unit(units) if units.total() >= values * _MIN_UNIT_FRACTION else None


def _find_shared_unit(units: Counter[str]) -> NumberFormat | None:
    names = _count((_unit_name(unit), count) for unit, count in units.items())
    if not _is_dominant(names) or any(map(_IS_DATE.search, units)):
        return None
    dominant = names.most_common(1)[0][0]
    members = sorted(unit for unit in units if _unit_name(unit) == dominant)
    return None if _differ_in_prefix(members) else NumberFormat(units=tuple(members))


def _are_magnitudes(units: Counter[str], *, bare: float, currencies: Counter[str]) -> bool:
    """Return whether units such as k and M are magnitudes.

    A currency or a longer word, such as Mio, makes this clear. Otherwise a single letter in all rows is a unit, and of
    letters in some rows only k is a magnitude, since a B may belong to a house number.
    """
    magnitudes = {unit.lower().removesuffix(".") for unit in units} & MAGNITUDES.keys()
    count = sum(count for unit, count in units.items() if unit.lower().removesuffix(".") in MAGNITUDES)
    if not magnitudes or count < units.total() * _NEARLY_ALL:
        return False
    is_clear = bool(currencies) or any(len(magnitude) > 1 for magnitude in magnitudes)
    if bare > 1 - _NEARLY_ALL:
        return is_clear or "k" in magnitudes
    return is_clear or len(magnitudes) > 1


def _is_dominant(names: Counter[str]) -> bool:
    """Return whether nearly all names are the same."""
    frequency = names.most_common(1)[0][1]
    return frequency >= names.total() * _NEARLY_ALL or (names.total() >= 20 and names.total() - frequency <= 1)


def _differ_in_prefix(units: list[str]) -> bool:
    """Return whether units differ in the case of a prefix, as mW and MW do."""
    return any(unit.startswith("m") and len(unit) <= 3 and "M" + unit[1:] in units for unit in units)


def _currency_name(text: str) -> str:
    name = text.upper().removesuffix(".")
    return _CURRENCY_NAMES.get(name, name)


def _unit_name(unit: str) -> str:
    """Return a unit's normalized name: the same for GB and Gb, year and years."""
    name = unit.casefold().removesuffix(".")
    return name.removesuffix("s") if len(name) > 2 else name


def _count(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    counter: Counter[str] = Counter()
    for name, count in pairs:
        counter[name] += count
    return counter
