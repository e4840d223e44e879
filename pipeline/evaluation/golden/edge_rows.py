"""Edge rows: missing values, unknown categories, empty texts and extreme numbers."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipeline.contracts.signature import Column, Signature

__all__ = ["UNKNOWN_CATEGORY", "edge_rows"]

UNKNOWN_CATEGORY = "a category that no row has"
_FAR_RANGES = 10  # distance beyond the maximum, in multiples of the range (maximum - minimum)


def edge_rows(features: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Make edge rows from the first row; columns that an edge case does not concern keep the first row's values.

    Args:
        features: At least one row, with the columns of the signature.
        signature: Signature of the model.

    Returns:
        At most five different rows: all values missing (except images); unknown categories and empty texts; minima and
        black images; maxima and white images; numbers far beyond the maxima.
    """
    texts = [column.name for column in signature.columns if column.kind in ("categorical", "text")]
    features = features.select(column.name for column in signature.columns)
    features = features.with_columns(pl.col(texts).cast(pl.String))
    edges = pl.DataFrame(
        {column.name: _edge_values(features[column.name], column) for column in signature.columns}, features.schema
    )
    return edges.unique(maintain_order=True).join(features.head(1), on=features.columns, how="anti", nulls_equal=True)


def _edge_values(values: pl.Series, column: Column) -> list[Any]:
    """Return a column's values in the five edge rows: missing, unknown, minimum, maximum, far beyond the maximum."""
    first = values[0]
    if column.kind == "image":
        return [first, first, b"\x00" * len(first), b"\xff" * len(first), first]
    if column.kind in ("categorical", "text"):
        return [None, UNKNOWN_CATEGORY if column.kind == "categorical" else "", first, first, first]
    low: Any = values.min()
    high: Any = values.max()
    has_far = column.kind == "numeric" and values.dtype.is_float() and high is not None
    return [None, first, low, high, high + _FAR_RANGES * (high - low) if has_far else first]
