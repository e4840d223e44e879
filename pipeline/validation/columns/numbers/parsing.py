"""Parse columns of text as numbers with polars, like parsing.numbers for single cells."""

from __future__ import annotations

import math

import polars as pl

from pipeline.parsing.numbers import (
    AMBIGUOUS_POINT,
    BLANK,
    CODE,
    DASH,
    MAGNITUDES,
    MINUS,
    ZERO,
    NumberFormat,
    digits_pattern,
    group_marks,
    pattern,
)

__all__ = ["count_codes", "parse_numbers"]

_BATCH_ROWS = 200_000  # rows that are parsed at a time: each group of the pattern takes memory
_REPEATS_SAMPLE = 1000  # sampled values: if most of them repeat, those of the whole column are assumed to repeat
_SIGNS = "$\u20ac\u00a3\u00a5\u20b9"
_MARKS = "0-9()+.,\u2212\u2013"  # a text before a number has none of these, except the point of an abbreviation
_SMALL = "a-z\u0142\u0430-\u044f"  # letters before the point of an abbreviation
_NEGATIVE = ("inner", "open", "minus")  # groups that each make a number negative


def parse_numbers(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Parse a column, with the same result as ``parse_number`` for each cell.

    A column of plain numbers costs one cast.

    Args:
        text: Texts; missing cells are null.
        number_format: Number format of the column.

    Returns:
        Float64 with the same name; null for cells that are not numbers.
    """
    numbers = text.cast(pl.Float64, strict=False)
    if number_format.decimal == "." and _is_plain(text, numbers):
        return numbers
    unread = text.is_not_null() & (numbers.is_null() | ~numbers.is_finite())
    if number_format.decimal == ",":
        unread |= text.str.contains(AMBIGUOUS_POINT)
    unread = unread.fill_null(False)
    numbers = numbers.set(unread | text.str.contains(CODE), None)
    if not unread.any():
        return numbers
    return numbers.scatter(unread.arg_true(), _parse_distinct(text.filter(unread), number_format))


def count_codes(text: pl.Series, numbers: pl.Series) -> int:
    """Count the codes such as 007, from which numbers would lose their zeros.

    Args:
        text: Texts; missing cells are null.
        numbers: Result of casting the texts to Float64.
    """
    are_integers = numbers == numbers.floor()
    if not are_integers.any():
        return 0
    cells = text.filter(are_integers)
    cells = cells.filter(cells < "1")  # true for all that begin with 0; faster than comparing the first character
    return int(cells.str.contains(CODE).sum())


def _is_plain(text: pl.Series, numbers: pl.Series) -> bool:
    """Return whether the cast parsed all texts: finite numbers, and no codes."""
    are_finite = numbers.null_count() == text.null_count() and math.isfinite(numbers.sum())
    return are_finite and count_codes(text, numbers) == 0


def _parse_distinct(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Parse each distinct value once, if values repeat."""
    if len(text) <= _REPEATS_SAMPLE or text.head(_REPEATS_SAMPLE).n_unique() > _REPEATS_SAMPLE // 2:
        return _parse_shapes(text, number_format)
    values = text.unique()
    return text.replace_strict(values, _parse_shapes(values, number_format), return_dtype=pl.Float64)


def _parse_shapes(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Parse the most frequent formats first, which need no groups of a pattern; then the other numbers."""
    common = text.str.contains(_common_shape(number_format))
    if common.all():
        return _parse_common(text, number_format)
    numbers = pl.repeat(None, len(text), dtype=pl.Float64, eager=True)
    numbers = numbers.scatter(common.arg_true(), _parse_common(text.filter(common), number_format))
    uncommon = ~common & text.str.contains(pattern(number_format))
    if uncommon.any():
        numbers = numbers.scatter(uncommon.arg_true(), _parse_batches(text.filter(uncommon), number_format))
    return numbers.set(text.str.contains(ZERO), 0.0)


def _common_shape(number_format: NumberFormat) -> str:
    """Return the pattern of an amount in the format's marks: $1,299.50, 12 % or -1.299,99."""
    digits = rf"[0-9]+(?:[{number_format.decimal}][0-9]+)?"
    if (group := _group(number_format)) is not None:
        digits = rf"(?:[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:[{number_format.decimal}][0-9]+)?|{digits})"
    percent = "(?: ?%)?" if "%" in number_format.units else ""
    return rf"^-?(?:[{_SIGNS}]?{digits}{percent}|{digits} ?[{_SIGNS}])$"


def _parse_common(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    digits = text.str.replace(f"[{_SIGNS}]", "").str.strip_chars_end(" %")
    if (group := _group(number_format)) is not None:
        digits = digits.str.replace_all(group, "")
    if number_format.decimal == ",":
        digits = digits.str.replace(",", ".", literal=True)
    numbers = digits.cast(pl.Float64)
    return numbers.set(~numbers.is_finite(), None)


def _group(number_format: NumberFormat) -> str | None:
    """Return the pattern of the format's mark between thousands; None if it has none."""
    if number_format.group in ("", number_format.decimal):
        return None
    return f"[{number_format.group}]" if number_format.group in (",", ".", "'") else BLANK


def _parse_batches(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    batches = text.rename("text").to_frame().iter_slices(_BATCH_ROWS)
    return pl.concat([_parse_batch(batch, number_format) for batch in batches])


def _parse_batch(batch: pl.DataFrame, number_format: NumberFormat) -> pl.Series:
    """Parse texts that match the format's pattern; null if its groups contradict each other."""
    # The full pattern is fast to match, but slow for extracting groups.
    groups = pattern(number_format) if number_format.magnitudes else _groups(number_format)
    number = _digits(number_format).cast(pl.Float64, strict=False)
    if number_format.magnitudes:
        number *= _factor()
    number = pl.when(_are_negative()).then(-number).otherwise(number)
    number = pl.when(_are_valid() & number.is_finite()).then(number).alias("number")
    return (
        batch.select(pl.col("text").str.extract_groups(groups).alias("groups"))
        .unnest("groups")
        .select(number)["number"]
    )


def _groups(number_format: NumberFormat) -> str:
    """Return a shorter pattern with the same groups for texts that match the full one; any text may be a currency."""
    currency = rf"(?:[^-{_MARKS}]*[{_SMALL}]\.)*[^-{_MARKS}]*"
    return (
        rf"^[<>=\u2264\u2265~\u2248]*{BLANK}*[<>=\u2264\u2265~\u2248]*{BLANK}*(?P<sign>\+|{MINUS})?{currency}(?P<open>\()?{currency}"
        rf"(?P<inner>{MINUS})?{BLANK}*{digits_pattern(number_format)}(?P<minus>{MINUS})?(?:[^0-9.,)][^)]*)?(?:(?P<close>\))[^)]*)?$"
    )


def _digits(number_format: NumberFormat) -> pl.Expr:
    local = pl.col("local").str.replace(rf"[.,]{DASH}$", "").str.replace_all(group_marks(number_format), "")
    return pl.coalesce(local.str.replace(",", ".", literal=True), "plain")


def _factor() -> pl.Expr:
    magnitude = pl.col("magnitude").str.to_lowercase().str.strip_suffix(".")
    return magnitude.replace_strict(MAGNITUDES, default=1.0, return_dtype=pl.Float64)


def _are_negative() -> pl.Expr:
    minus = pl.col("sign").is_not_null() & (pl.col("sign") != "+")
    return pl.any_horizontal(minus, *(pl.col(name).is_not_null() for name in _NEGATIVE))


def _are_valid() -> pl.Expr:
    """Return which texts are numbers: at most one sign, parentheses in pairs, and no telephone number."""
    signs = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int8) for name in ("sign", *_NEGATIVE))
    are_phones = (pl.col("sign") == "+") & pl.col("local").str.contains(BLANK)
    return (signs <= 1) & (pl.col("open").is_null() == pl.col("close").is_null()) & ~are_phones.fill_null(False)
