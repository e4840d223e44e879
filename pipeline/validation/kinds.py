"""What a column holds: numbers, truth values, categories, or something that no model reads yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.dataset import LeftOut
from pipeline.contracts.missing import FALSE, MISSING, TRUE
from pipeline.contracts.signature import ColumnKind
from pipeline.validation.words import counted

__all__ = ["NUMBERS_SHARE", "Typed", "numbers_of", "tell_kind", "trimmed"]

NUMBERS_SHARE = 0.99  # of the values; what is left of them counts as missing
# Missing in a column of numbers; elsewhere it is a word like any other.
_NO_NUMBER = ("-", "--", ".", "..", "na", "none", "NONE", "nil", "Null", "NAN", "Nan")
_CODES_SHARE = 0.01  # of values such as 007, from which numbers would lose their zeros
_CODE = r"^0\d+$"
_COMMA_NUMBER = r"^[+-]?\d+(,\d+)?$"
_DATE = (
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{2,4})"
    r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?: ?Z| ?UTC| ?[+-]\d{2}:?\d{2})?)?$"
    r"|^\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?$"
)
_DATES_SHARE = 0.99
_DATES = "dates or times, which no model reads yet"
_IDENTIFIER_SHARE = 0.9  # of values that are distinct: too few repeat for a category to be learnt
_TEXT_SHARE = 0.5
_TEXT_WORDS = 4.0  # in the mean
_IDENTIFIER_NAME = re.compile(
    r"(?i:(?:.*[_\W])?(?:id|uuid|guid)|index|row_?(?:id|num(?:ber)?)|unnamed: 0|__index_level_\d+__)|.*[a-z]I[Dd]"
)
_FLAGS_LOOK = 100  # values that are looked at before all are
_EXACT_INTEGERS = 2**24  # float32 holds every whole number up to it


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """A column as the split files hold it: Float32 for numeric and boolean, String for categorical; missing is null."""

    kind: ColumnKind
    values: pl.Series
    warnings: tuple[str, ...] = ()


def trimmed(column: pl.Series) -> pl.Series:
    """Text without white space at its ends, null where it says that there is no value; other types as they are."""
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype != pl.String:
        return column
    text = column.str.strip_chars()
    return text.set(text.is_in(list(MISSING)), None)


def numbers_of(text: pl.Series, *, decimal_comma: bool = False) -> pl.Series | None:
    """Float64 when nearly all values are numbers (the others null), else None; codes such as 007 are no numbers."""
    values = text.set(text.is_in(_NO_NUMBER), None)
    known = len(values) - values.null_count()
    if known == 0 or values.str.contains(_CODE).sum() > known * _CODES_SHARE:
        return None
    numbers = _finite(values.cast(pl.Float64, strict=False))
    if decimal_comma and _too_few(numbers, known):
        numbers = values.set(~values.str.contains(_COMMA_NUMBER), None).str.replace(",", ".").cast(pl.Float64)
    return None if _too_few(numbers, known) else numbers


def tell_kind(column: pl.Series, *, decimal_comma: bool = False) -> Typed | LeftOut:
    """``column`` is trimmed. ``decimal_comma``: 3,14 may be a number, since no comma separates the fields."""
    if (reason := _why_unread(column)) is not None:
        return LeftOut(name=column.name, reason=reason)
    if column.dtype == pl.Boolean:
        return Typed(kind="boolean", values=column.cast(pl.Float32))
    if column.dtype == pl.String:
        return _text(column, decimal_comma=decimal_comma)
    return _numeric(_finite(column.cast(pl.Float64)), known=len(column) - column.null_count())


def _why_unread(column: pl.Series) -> str | None:
    dtype = column.dtype
    if dtype.is_nested():
        return "arrays or objects, which no model reads"
    if column.null_count() == len(column):
        return "only missing values"
    if dtype.is_temporal():
        return _DATES
    if not dtype.is_numeric() and dtype not in (pl.Boolean, pl.String):
        return f"{dtype.base_type().__name__} values, which no model reads"
    return None


def _too_few(numbers: pl.Series, known: int) -> bool:
    return len(numbers) - numbers.null_count() < known * NUMBERS_SHARE


def _finite(numbers: pl.Series) -> pl.Series:
    return numbers.set(~numbers.is_finite(), None)


def _text(column: pl.Series, *, decimal_comma: bool) -> Typed | LeftOut:
    name = column.name
    if (flags := _flags(column)) is not None:
        return Typed(kind="boolean", values=flags)
    if (numbers := numbers_of(column, decimal_comma=decimal_comma)) is not None:
        known = len(column) - column.set(column.is_in(_NO_NUMBER), None).null_count()
        return _numeric(numbers, known=known)
    values = column.drop_nulls()
    if _mean(values.str.contains(_DATE)) >= _DATES_SHARE:
        return LeftOut(name=name, reason=_DATES)
    distinct = values.n_unique() / len(values)
    if distinct > _TEXT_SHARE and _mean(values.str.count_matches(r"\s+")) + 1 >= _TEXT_WORDS:
        return LeftOut(name=name, reason="free text, which no model reads yet")
    if distinct > _IDENTIFIER_SHARE:
        return LeftOut(name=name, reason="an identifier: nearly every value is there once")
    return Typed(kind="categorical", values=column)


def _flags(column: pl.Series) -> pl.Series | None:
    if not set(column.drop_nulls().head(_FLAGS_LOOK).str.to_lowercase()) <= TRUE | FALSE:
        return None
    words = column.str.to_lowercase()
    return words.is_in(list(TRUE)).cast(pl.Float32) if words.is_in([*TRUE, *FALSE]).all() else None


def _numeric(numbers: pl.Series, *, known: int) -> Typed | LeftOut:
    name = numbers.name
    if numbers.null_count() == len(numbers):
        return LeftOut(name=name, reason="no number that float32 can hold")
    if _is_identifier(numbers):
        return LeftOut(name=name, reason="an identifier: whole numbers, each there once, in sequence or named so")
    values = _finite(numbers.cast(pl.Float32, strict=False))
    warnings = []
    if broken := known - (len(values) - values.null_count()):
        warnings.append(
            f"column '{name}': {counted(broken, 'cell')} without a number that float32 can hold, taken as missing"
        )
    if _exceeds_float32(numbers):
        warnings.append(f"column '{name}' has whole numbers above {_EXACT_INTEGERS:,}, which float32 rounds")
    return Typed(kind="numeric", values=values, warnings=tuple(warnings))


def _is_identifier(numbers: pl.Series) -> bool:
    if numbers.null_count() or len(numbers) < 3 or not _whole(numbers).all() or not numbers.is_unique().all():
        return False
    in_sequence = _float(numbers.max()) - _float(numbers.min()) == len(numbers) - 1
    return in_sequence or _IDENTIFIER_NAME.fullmatch(numbers.name) is not None


def _exceeds_float32(numbers: pl.Series) -> bool:
    return _whole(numbers).all() and _float(numbers.abs().max()) > _EXACT_INTEGERS


def _whole(numbers: pl.Series) -> pl.Series:
    return numbers == numbers.floor()


def _mean(values: pl.Series) -> float:
    return _float(values.mean())


def _float(value: object) -> float:
    assert isinstance(value, int | float), "a statistic of numbers that are there"
    return float(value)
