"""Convert numbers to the type of the split files."""

from __future__ import annotations

import math

import polars as pl

__all__ = ["as_finite", "fit_numbers"]


def as_finite(numbers: pl.Series) -> pl.Series:
    """Return the numbers with null in place of infinity and NaN."""
    # A finite sum proves finite numbers in one pass without a copy; the sum of finite numbers may overflow.
    if numbers.dtype.is_float() and math.isfinite(numbers.sum()):
        return numbers
    return numbers.set(~numbers.is_finite(), None)


def fit_numbers(numbers: pl.Series, *, is_wide: bool) -> pl.Series:
    """Return finite Float32 values, or the Float64 values of a wide column."""
    return numbers if is_wide else as_finite(numbers.cast(pl.Float32, strict=False))
