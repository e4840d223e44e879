"""Infer whether a column of text holds numbers, and in which format."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.parsing.missing import NUMBER_MISSING
from pipeline.parsing.numbers import AMBIGUOUS_POINT, BLANK, BOUND, CODE, MINUS, PLAIN, NumberFormat
from pipeline.validation.columns.numbers.formats import (
    Decimals,
    are_spelled,
    count_decimals,
    detect_format,
    split_spellings,
)
from pipeline.validation.columns.numbers.parsing import count_codes, parse_numbers
from pipeline.validation.columns.numbers.warnings import describe_marks, describe_reading

__all__ = ["InferredNumbers", "decimal_evidence", "infer_numbers"]

_MAX_OTHERS_FRACTION = 0.01  # maximum fraction of values that are not numbers and are read as missing
_MIN_VALUES_FOR_STRAY = 20  # minimum number of values of which one may be something else
_MAX_WORD_FRACTION = 0.05  # maximum fraction of one word, such as "on request", for an unknown number
_MIN_DISTINCT_FOR_WORD = 20  # minimum distinct numbers in a column with such a word
_MAX_CODES_FRACTION = 0.01  # maximum fraction of values such as 007, which lose their zeros as numbers
_HEAD_VALUES = 100  # values that are checked before all values are
_SAMPLE = 2000  # values sampled evenly over the column
_SAMPLE_DISTINCT = 200
_MIN_SAMPLE_NUMBERS = 0.5
_NO_PROOF = rf"^[^.]*$|{AMBIGUOUS_POINT}"  # texts that do not prove a decimal point

# Columns of such texts are not numeric, although each text could be a number.
_LAYOUTS = (
    r"^\+[0-9]{8,15}$",  # telephone numbers
    rf"^[0-9]{{3}}(?:{BLANK}[0-9]{{3}}){{2,3}}$",  # telephone and company numbers of nine or twelve digits
    r"^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$",  # IP addresses
    r"^(?:0[1-9]|1[0-2])\.(?:19|20)[0-9]{2}$",  # month and year
)
_LAYOUT = re.compile("|".join(_LAYOUTS))


@dataclass(frozen=True, kw_only=True, slots=True)
class InferredNumbers:
    """A column of text that holds numbers."""

    number_format: NumberFormat
    numbers: pl.Series  # Float64; null for cells that are not numbers
    missing_markers: Counter[str]  # text that means missing in a column of numbers -> number of cells
    other_cells: int = 0  # cells that are neither numbers nor markers
    warnings: tuple[str, ...] = ()


def infer_numbers(text: pl.Series, *, decimal_hint: Literal["", ".", ","] = "") -> InferredNumbers | None:
    """Read a column as numbers, if nearly all of its values are numbers.

    Args:
        text: Texts without white space at their ends; missing cells are null.
        decimal_hint: Decimal mark that other columns of the file prove. It applies to a column whose values are valid
            with either mark; without it, 1.299 has a decimal point and 1,299 is more than a thousand.

    Returns:
        The numbers and their format, or None for a column of anything else: words, dates, codes such as 007, telephone
        numbers, addresses, numbers with different units.
    """
    head = text.head(_HEAD_VALUES)
    if _are_plain(head, head.cast(pl.Float64, strict=False)):
        numbers = text.cast(pl.Float64, strict=False)
        if _are_plain(text, numbers):
            return _infer_plain(text, numbers, decimal_hint)
    if not _may_be_numbers(text):
        return None
    numbers = text.cast(pl.Float64, strict=False)
    markers = _count_markers(text.filter(numbers.is_null() | ~numbers.is_finite()))
    if markers:
        text = text.set(text.is_in(list(markers)), None)
        numbers = text.cast(pl.Float64, strict=False)
    if _are_plain(text, numbers):
        return _infer_plain(text, numbers, decimal_hint, markers=markers)
    return _infer_written(text, decimal_hint, markers=markers)


def decimal_evidence(text: pl.Series) -> int:
    """Count the values that prove a decimal mark, in a sample of a column.

    Returns:
        Above 0: the column proves a decimal comma; below 0: a decimal point; 0: neither, or it does not hold numbers.
    """
    counts = _count(_sample(text))
    spellings = split_spellings(counts)
    evidence = count_decimals(spellings).evidence
    if evidence == 0 or _is_layout(counts["text"]):
        return 0
    number_format = detect_format(spellings, "," if evidence > 0 else ".")
    if number_format is None or not _are_enough(counts, parse_numbers(counts["text"], number_format)):
        return 0
    return evidence


def _are_plain(text: pl.Series, numbers: pl.Series) -> bool:
    """Return whether the cast gave a finite number for each text."""
    return numbers.null_count() == text.null_count() and math.isfinite(numbers.sum())


def _infer_plain(
    text: pl.Series, numbers: pl.Series, decimal_hint: str, *, markers: Counter[str] | None = None
) -> InferredNumbers | None:
    """Infer the format of a column in which the cast read every value."""
    if numbers.null_count() == len(numbers) or _is_layout(text):
        return None
    codes = count_codes(text, numbers)
    if codes > (len(text) - text.null_count()) * _MAX_CODES_FRACTION:
        return None
    is_ambiguous = decimal_hint != "." and _is_ambiguous(text, numbers)
    number_format = NumberFormat(decimal=",", group=".") if is_ambiguous and decimal_hint == "," else PLAIN
    if codes or number_format != PLAIN:
        numbers = parse_numbers(text, number_format)
    return InferredNumbers(
        number_format=number_format,
        numbers=numbers,
        missing_markers=Counter() if markers is None else markers,
        other_cells=codes,
        warnings=describe_marks(text.name, number_format, is_ambiguous=is_ambiguous and not decimal_hint),
    )


def _is_ambiguous(text: pl.Series, numbers: pl.Series) -> bool:
    """Return whether there is a number such as 1.299, and no number proves that the point is a decimal point."""
    if not text.head(_HEAD_VALUES).str.contains(_NO_PROOF).all():
        return False
    suspects = (numbers.abs() < 1000) & (text.str.len_bytes() >= len("1.299"))
    if not suspects.any() or not text.str.contains(_NO_PROOF).all():
        return False
    return text.filter(suspects).str.contains(AMBIGUOUS_POINT).any()


def _is_layout(text: pl.Series) -> bool:
    """Return whether all texts are telephone numbers, addresses, or others that only look like numbers."""
    first = text.head(_HEAD_VALUES).drop_nulls().head(1).to_list()
    if first and not _LAYOUT.search(first[0]):
        return False
    return any(text.str.contains(layout).all() for layout in _LAYOUTS)


def _may_be_numbers(text: pl.Series) -> bool:
    """Return whether at least half of a sample are numbers; this excludes most columns of words."""
    values = _sample(text)
    values = values.filter(~values.is_in(list(NUMBER_MISSING)))
    distinct = values.unique(maintain_order=True).head(_SAMPLE_DISTINCT)
    if are_spelled(distinct).sum() < len(distinct) * _MIN_SAMPLE_NUMBERS:
        return False
    counts = _count(values).head(_SAMPLE_DISTINCT)
    spellings = split_spellings(counts)
    readings = [_read(counts, spellings, mark) for mark in (".", ",")]
    return any(
        reading is None or reading.numbers.null_count() <= counts.height * (1 - _MIN_SAMPLE_NUMBERS)
        for reading in readings
    )


def _sample(text: pl.Series) -> pl.Series:
    """Return values that are spread evenly over the column."""
    values = text.gather_every(max(1, len(text) // _SAMPLE)).drop_nulls()
    return values if len(values) else text.drop_nulls().head(_SAMPLE)


def _count(values: pl.Series) -> pl.DataFrame:
    """Return each distinct value in ``text``, in the column's order, and its frequency in ``count``."""
    return values.rename("text").to_frame().group_by("text", maintain_order=True).agg(count=pl.len())


def _count_markers(unread: pl.Series) -> Counter[str]:
    markers = unread.filter(unread.is_in(list(NUMBER_MISSING)))
    return Counter(dict(_count(markers).rows()))


def _infer_written(
    text: pl.Series, decimal_hint: Literal["", ".", ","], *, markers: Counter[str]
) -> InferredNumbers | None:
    """Infer the format of a column with numbers that the cast does not read."""
    counts = _count(text.drop_nulls())
    if counts.height == 0 or _is_layout(counts["text"]):
        return None
    reading = _read_best(counts, split_spellings(counts.head(_SAMPLE)), decimal_hint)
    if counts.height > _SAMPLE and (reading is None or not reading.is_certain):
        reading = _read_best(counts, split_spellings(counts), decimal_hint)
    if reading is None or not _are_enough(counts, reading.numbers):
        return None
    spelled = counts.with_columns(number=reading.numbers).drop_nulls("number")
    if _are_classes(spelled["text"]):
        return None
    bounds = int(spelled.filter(pl.col("text").str.contains(BOUND))["count"].sum())
    is_ambiguous = reading.decimals.are_ambiguous and not decimal_hint
    number_format, spellings = reading.number_format, reading.spellings
    return InferredNumbers(
        number_format=number_format,
        numbers=text.replace_strict(spelled["text"], spelled["number"], default=None, return_dtype=pl.Float64),
        missing_markers=markers,
        other_cells=int(counts["count"].sum()) - reading.count,
        warnings=describe_reading(text.name, number_format, spellings, bounds=bounds, is_ambiguous=is_ambiguous),
    )


def _are_classes(values: pl.Series) -> bool:
    """Return whether the values are classes: only bounds (<=50K, >50K), or grades (2-, 2, 2+)."""
    grades = values.filter(values.str.contains(rf"[0-9]{MINUS}$"))
    are_grades = len(grades) > 0 and grades.str.contains(rf"^[0-9]{MINUS}$").all()
    return are_grades or values.str.contains("^[<>\u2264\u2265]").all()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """The distinct values of a column, read in the format of some of their spellings."""

    number_format: NumberFormat
    numbers: pl.Series  # one per distinct value; null if it is not a number
    count: int  # number of cells that are numbers
    spellings: pl.DataFrame
    decimals: Decimals

    @property
    def is_certain(self) -> bool:
        """Return whether all values are numbers, and their decimal mark is proven."""
        return self.numbers.null_count() == 0 and not self.decimals.are_ambiguous


def _read_best(counts: pl.DataFrame, spellings: pl.DataFrame, decimal_hint: str) -> _Reading | None:
    """Read with the likely decimal mark; if the spellings prove both marks, with the one that reads more cells."""
    decimals = count_decimals(spellings)
    evidence = decimals.evidence or {",": 1}.get(decimal_hint, -1)
    marks = ",." if evidence > 0 else ".,"
    if not (decimals.comma and decimals.point):
        marks = marks[0]
    readings = [reading for mark in marks if (reading := _read(counts, spellings, mark)) is not None]
    return max(readings, key=lambda reading: reading.count, default=None)


def _read(counts: pl.DataFrame, spellings: pl.DataFrame, decimal: str) -> _Reading | None:
    number_format = detect_format(spellings, decimal)
    if number_format is None:
        return None
    numbers = parse_numbers(counts["text"], number_format)
    return _Reading(
        number_format=number_format,
        numbers=numbers,
        count=_count_numbers(counts, numbers),
        spellings=spellings,
        decimals=count_decimals(spellings),
    )


def _count_numbers(counts: pl.DataFrame, numbers: pl.Series) -> int:
    return int(counts["count"].filter(numbers.is_not_null()).sum())


def _are_enough(counts: pl.DataFrame, numbers: pl.Series) -> bool:
    """Return whether nearly all values are numbers, and few are codes."""
    values = int(counts["count"].sum())
    other_count = values - _count_numbers(counts, numbers)
    codes = int(counts["count"].filter(counts["text"].str.contains(CODE)).sum())
    if other_count == values or codes > values * _MAX_CODES_FRACTION:
        return False
    if other_count <= values * _MAX_OTHERS_FRACTION or (other_count == 1 and values >= _MIN_VALUES_FOR_STRAY):
        return True
    is_one_word = numbers.null_count() == 1
    return is_one_word and other_count <= values * _MAX_WORD_FRACTION and numbers.n_unique() >= _MIN_DISTINCT_FOR_WORD
