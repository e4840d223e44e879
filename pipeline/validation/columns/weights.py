"""What each row counts: a column of positive numbers."""

from __future__ import annotations

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.validation.columns.casting import numbers_in
from pipeline.validation.columns.type_inference import NUMBERS_SHARE, trimmed

__all__ = ["read_weights", "weights_in"]


def read_weights(raw: pl.Series, *, file: str = "", decimal_comma: bool = False) -> pl.Series:
    """Float32, null where there is no positive number; raise InvalidColumnsError when nearly all should be and are not.

    A row without a weight cannot be learnt from: who calls sets it aside.
    """
    weights = weights_in(raw, decimal_comma=decimal_comma)
    numbers = numbers_in(trimmed(raw), decimal_comma=decimal_comma)
    if (numbers.len() - numbers.null_count()) < len(raw) * NUMBERS_SHARE or weights.null_count() == len(raw):
        where = f"'{file}': " if file else ""
        raise InvalidColumnsError(f"{where}the weight column '{raw.name}' does not hold positive numbers in every row")
    return weights


def weights_in(raw: pl.Series, *, decimal_comma: bool = False) -> pl.Series:
    """Float32, null where there is no positive number."""
    numbers = numbers_in(trimmed(raw), decimal_comma=decimal_comma)
    return numbers.set(numbers <= 0, None).cast(pl.Float32, strict=False)
