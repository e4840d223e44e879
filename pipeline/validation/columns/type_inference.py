"""What a column holds: numbers, truth values, dates, categories, texts, or something that no model reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.dataset import LeftOut
from pipeline.contracts.signature import ColumnKind
from pipeline.parsing.missing import FALSE, MISSING, TRUE
from pipeline.validation.columns.dates import read_dates, temporal_seconds
from pipeline.validation.words import counted

__all__ = ["NUMBERS_SHARE", "Typed", "numbers_of", "tell_kind", "trimmed"]

NUMBERS_SHARE = 0.99  # of the values; what is left of them counts as missing
# Missing in a column of numbers; elsewhere it is a word like any other.
_NO_NUMBER = ("-", "--", ".", "..", "na", "none", "NONE", "nil", "Null", "NAN", "Nan")
_CODES_SHARE = 0.01  # of values such as 007, from which numbers would lose their zeros
_CODE = r"^0\d+$"
_COMMA_NUMBER = r"^[+-]?\d+(,\d+)?$"
_IDENTIFIER_SHARE = 0.9  # of values that are distinct: too few repeat to be categories, so it is read as a text
_TEXT_SHARE = 0.5
_TEXT_WORDS = 4.0
_IDENTIFIER_NAME = re.compile(
    r"(?i:(?:.*[_\W])?(?:id|uuid|guid)|index|row_?(?:id|num(?:ber)?)|unnamed: 0|__index_level_\d+__)|.*[a-z]I[Dd]"
)
_LOOK = 100  # values that are looked at before all are
_REPEATS_LOOK = 1000  # values: where most of them repeat, so do those of the whole column
_EXACT_INTEGERS = 2**24  # float32 holds every whole number up to it


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """A column as the split files hold it (contracts.dataset); missing is null. ``day_first``: as contracts.dates."""

    kind: ColumnKind
    values: pl.Series
    day_first: bool = False
    shape: tuple[int, ...] = ()  # of an image: height, width, channels
    warnings: tuple[str, ...] = ()


def trimmed(column: pl.Series) -> pl.Series:
    """Text without white space at its ends, null where it says that there is no value; other types as they are."""
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_float():
        return column.fill_nan(None)
    if column.dtype != pl.String or _needs_no_trimming(column):
        return column
    return _trimmed_text(column)


def numbers_of(text: pl.Series, *, decimal_comma: bool = False) -> pl.Series | None:
    """Float64 when nearly all values are numbers (the others null), else None; codes such as 007 are no numbers."""
    numbers = text.cast(pl.Float64, strict=False)
    if _all_numbers(numbers, text):
        return None if _are_codes(text, numbers) else numbers
    if not decimal_comma and numbers.null_count() == len(numbers):
        return None
    values = text.set(text.is_in(_NO_NUMBER), None)
    known = len(values) - values.null_count()
    numbers = _finite(values.cast(pl.Float64, strict=False))
    if known == 0 or _are_codes(values, numbers):
        return None
    if decimal_comma and _too_few(numbers, known):
        numbers = values.set(~values.str.contains(_COMMA_NUMBER), None).str.replace(",", ".").cast(pl.Float64)
    return None if _too_few(numbers, known) else numbers


def tell_kind(column: pl.Series, *, decimal_comma: bool = False) -> Typed | LeftOut:
    """``decimal_comma``: 3,14 may be a number, since no comma separates the fields."""
    if (numbers := _plain_numbers(column)) is not None:
        return _numeric(numbers, known=len(numbers) - numbers.null_count())
    column = trimmed(column)
    if (reason := _why_unread(column)) is not None:
        return LeftOut(name=column.name, reason=reason)
    if column.dtype == pl.Boolean:
        return Typed(kind="boolean", values=column.cast(pl.Float32))
    if column.dtype == pl.String:
        return _text(column, decimal_comma=decimal_comma)
    if column.dtype.is_temporal() and column.dtype != pl.Duration:
        return Typed(kind="datetime", values=temporal_seconds(column))
    if column.dtype == pl.Duration:
        column = temporal_seconds(column)
    return _numeric(_finite(column.cast(pl.Float64)), known=len(column) - column.null_count())


def _needs_no_trimming(text: pl.Series) -> bool:
    """Of values that repeat this is known sooner than each of them is trimmed."""
    if text.head(_REPEATS_LOOK).n_unique() > _REPEATS_LOOK // 2:
        return False
    values = text.unique()
    return _trimmed_text(values).equals(values, null_equal=True)


def _trimmed_text(text: pl.Series) -> pl.Series:
    text = text.str.strip_chars()
    return text.set(text.is_in(list(MISSING)), None)


def _plain_numbers(column: pl.Series) -> pl.Series | None:
    """Text whose every cell is a number as it stands: most columns of numbers are, and need not be trimmed."""
    if column.dtype != pl.String:
        return None
    for text in (column.head(_LOOK), column):
        numbers = text.cast(pl.Float64, strict=False)
        if not _all_numbers(numbers, text):
            return None
    return None if _are_codes(column, numbers) else numbers


def _all_numbers(numbers: pl.Series, text: pl.Series) -> bool:
    """Finite ones, wherever the text has a value, and it has some."""
    return len(numbers) > numbers.null_count() == text.null_count() and numbers.is_finite().all()


def _are_codes(text: pl.Series, numbers: pl.Series) -> bool:
    """Whether so many are such as 007 that zeros would be lost. ``numbers``: what the text says, where it says some."""
    known = len(text) - text.null_count()
    whole = text.filter(_whole(numbers) | numbers.is_null())
    zeros = whole.filter(whole.str.starts_with("0"))
    return int(zeros.str.contains(_CODE).sum()) > known * _CODES_SHARE


def _why_unread(column: pl.Series) -> str | None:
    dtype = column.dtype
    if dtype.is_nested():
        return "arrays or objects, which no model reads"
    if column.null_count() == len(column):
        return "only missing values"
    if not (dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.Boolean, pl.String)):
        return f"{dtype.base_type().__name__} values, which no model reads"
    return None


def _too_few(numbers: pl.Series, known: int) -> bool:
    return len(numbers) - numbers.null_count() < known * NUMBERS_SHARE


def _finite(numbers: pl.Series) -> pl.Series:
    return numbers.set(~numbers.is_finite(), None)


def _text(column: pl.Series, *, decimal_comma: bool) -> Typed | LeftOut:
    if (flags := _flags(column)) is not None:
        return Typed(kind="boolean", values=flags)
    if (numbers := numbers_of(column, decimal_comma=decimal_comma)) is not None:
        known = len(column) - column.set(column.is_in(_NO_NUMBER), None).null_count()
        return _numeric(numbers, known=known)
    if (dates := read_dates(column)) is not None:
        return Typed(kind="datetime", values=dates.seconds, day_first=dates.day_first, warnings=dates.warnings)
    return Typed(kind="text" if _is_text(column.drop_nulls()) else "categorical", values=column)


def _is_text(values: pl.Series) -> bool:
    """Free text, or what identifies a row: in neither do whole values repeat so that they could be learnt."""
    distinct = values.n_unique() / len(values)
    return distinct > _IDENTIFIER_SHARE or (distinct > _TEXT_SHARE and _words(values) >= _TEXT_WORDS)


def _words(values: pl.Series) -> float:
    """In the mean."""
    return _float(values.str.count_matches(r"\s+").mean()) + 1


def _flags(column: pl.Series) -> pl.Series | None:
    if not set(column.drop_nulls().head(_LOOK).str.to_lowercase()) <= TRUE | FALSE:
        return None
    words = column.str.to_lowercase()
    return words.is_in(list(TRUE)).cast(pl.Float32) if words.is_in([*TRUE, *FALSE]).all() else None


def _numeric(numbers: pl.Series, *, known: int) -> Typed | LeftOut:
    name = numbers.name
    if numbers.null_count() == len(numbers):
        return LeftOut(name=name, reason="no number that float32 can hold")
    warnings = []
    if _each_there_once(numbers):
        if _in_sequence(numbers):
            return LeftOut(name=name, reason="a row number: whole numbers in sequence, each there once")
        if _IDENTIFIER_NAME.fullmatch(name):
            warnings.append(
                f"column '{name}' is named like an identifier, and read as a number: drop: [{name}] leaves it out"
            )
    values = _finite(numbers.cast(pl.Float32, strict=False))
    if broken := known - (len(values) - values.null_count()):
        warnings.append(
            f"column '{name}': {counted(broken, 'cell')} without a number that float32 can hold, taken as missing"
        )
    if _exceeds_float32(numbers):
        warnings.append(f"column '{name}' has whole numbers above {_EXACT_INTEGERS:,}, which float32 rounds")
    return Typed(kind="numeric", values=values, warnings=tuple(warnings))


def _each_there_once(numbers: pl.Series) -> bool:
    """Whole numbers, none of them twice."""
    if len(numbers) < 3 or numbers.null_count() or _span(numbers) < len(numbers) - 1:
        return False
    return _whole(numbers).all() and numbers.is_unique().all()


def _in_sequence(numbers: pl.Series) -> bool:
    return _span(numbers) == len(numbers) - 1


def _span(numbers: pl.Series) -> float:
    return _float(numbers.max()) - _float(numbers.min())


def _exceeds_float32(numbers: pl.Series) -> bool:
    return _whole(numbers).all() and _float(numbers.abs().max()) > _EXACT_INTEGERS


def _whole(numbers: pl.Series) -> pl.Series:
    return numbers == numbers.floor()


def _float(value: object) -> float:
    assert isinstance(value, int | float), "a statistic of numbers that are there"
    return float(value)
