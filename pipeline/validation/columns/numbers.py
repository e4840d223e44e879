"""Columns of text parsed as numbers, cell by cell as parsing.numbers does, but by polars."""

from __future__ import annotations

import polars as pl

from pipeline.parsing.numbers import (
    AMBIGUOUS_POINT,
    BLANK,
    CODE,
    DASH,
    MAGNITUDES,
    ZERO,
    NumberFormat,
    group_marks,
    pattern,
)

__all__ = ["are_codes", "parse_numbers"]

_BATCH_ROWS = 200_000  # parsed at a time: each group of the pattern takes memory
_REPEATS_LOOK = 1000  # values: where most of them repeat, so do those of the whole column
_NEGATIVE = ("inner", "open", "minus")  # groups that each make a number negative


def parse_numbers(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Parse a column; equal to parse_number of each cell.

    Args:
        text: strings; missing cells are null.
        number_format: how the column writes its numbers.

    Returns:
        Float64 under the same name, null where there is no number. A column of plain numbers costs one cast.
    """
    numbers = text.cast(pl.Float64, strict=False)
    if number_format.decimal == "." and _is_plain(text, numbers):
        return numbers
    unread = text.is_not_null() & (numbers.is_null() | ~numbers.is_finite())
    if number_format.decimal == ",":
        unread |= text.str.contains(AMBIGUOUS_POINT)
    unread = unread.fill_null(False)
    numbers = numbers.set(unread | are_codes(text), None)
    if not unread.any():
        return numbers
    return numbers.scatter(unread.arg_true(), _parse_distinct(text.filter(unread), number_format))


def are_codes(text: pl.Series) -> pl.Series:
    """Tell for each cell whether it is a code such as 007, from which a number would lose its zeros."""
    suspects = text.str.starts_with("0").fill_null(False)
    if not suspects.any():
        return suspects
    return suspects.scatter(suspects.arg_true(), text.filter(suspects).str.contains(CODE))


def _is_plain(text: pl.Series, numbers: pl.Series) -> bool:
    if numbers.null_count() != text.null_count() or not numbers.is_finite().all():
        return False
    return not are_codes(text).any()


def _parse_distinct(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Each distinct value once, where values repeat."""
    if text.head(_REPEATS_LOOK).n_unique() > _REPEATS_LOOK // 2 or len(text) <= _REPEATS_LOOK:
        return _parse_batches(text, number_format)
    values = text.unique()
    return text.replace_strict(values, _parse_batches(values, number_format), return_dtype=pl.Float64)


def _parse_batches(text: pl.Series, number_format: NumberFormat) -> pl.Series:
    batches = text.rename("text").to_frame().iter_slices(_BATCH_ROWS)
    return pl.concat([_parse_batch(batch, number_format) for batch in batches])


def _parse_batch(batch: pl.DataFrame, number_format: NumberFormat) -> pl.Series:
    """What no cast reads, by the groups of its pattern."""
    groups = pl.col("text").str.extract_groups(pattern(number_format)).alias("groups")
    number = _digits(number_format).cast(pl.Float64, strict=False)
    if number_format.magnitudes:
        number *= _factor()
    number = pl.when(_are_negative()).then(-number).otherwise(number)
    number = pl.when(_are_valid() & number.is_finite()).then(number)
    zero = pl.when(pl.col("text").str.contains(ZERO)).then(0.0)
    parsed = batch.select("text", groups).unnest("groups").select(pl.coalesce(number, zero).alias("number"))
    return parsed.to_series()


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
    """As the pattern's docstring has it: one sign, brackets in pairs, and no telephone number."""
    signs = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int8) for name in ("sign", *_NEGATIVE))
    are_phones = (pl.col("sign") == "+") & pl.col("local").str.contains(BLANK)
    return (signs <= 1) & (pl.col("open").is_null() == pl.col("close").is_null()) & ~are_phones.fill_null(False)
