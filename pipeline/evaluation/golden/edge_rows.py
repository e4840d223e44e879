"""Edge rows: missing values, unknown categories, empty texts and extreme numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from pipeline.contracts.signature import Column, Signature

__all__ = ["UNKNOWN_CATEGORY", "edge_rows"]

UNKNOWN_CATEGORY = "a category that no row has"
_FAR = 10  # ranges beyond the greatest value
_ORDERED = ("numeric", "datetime", "boolean")


def edge_rows(features: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Make edge rows from the first row; columns that an edge case does not concern keep its values.

    Args:
        features: At least one row, with the columns of the signature.
        signature: Signature of the model.

    Returns:
        At most five different rows: all missing (but images); unknown categories and empty texts; the least values and
        black images; the greatest values and white images; numbers far beyond the greatest.
    """
    columns = signature.columns
    texts = [column.name for column in columns if column.kind in ("categorical", "text")]
    features = features.select(column.name for column in columns).with_columns(pl.col(texts).cast(pl.String))
    extremes = (_extreme(features, columns, greatest=greatest) for greatest in (False, True))
    edges = (_missing(features, columns), _unknown(columns), *extremes)
    first = features.head(1)
    rows = pl.concat([first.with_columns(*expressions) for expressions in (*edges, _far(features, columns))])
    return rows.unique(maintain_order=True).join(first, on=features.columns, how="anti", nulls_equal=True)


def _missing(features: pl.DataFrame, columns: Sequence[Column]) -> Iterator[pl.Expr]:
    for column in columns:
        if column.kind != "image":
            yield pl.lit(None, dtype=features.schema[column.name]).alias(column.name)


def _unknown(columns: Sequence[Column]) -> Iterator[pl.Expr]:
    for column in columns:
        if column.kind in ("categorical", "text"):
            yield pl.lit(UNKNOWN_CATEGORY if column.kind == "categorical" else "").alias(column.name)


def _extreme(features: pl.DataFrame, columns: Sequence[Column], *, greatest: bool) -> Iterator[pl.Expr]:
    """Yield the least or greatest value of each ordered column, and a black or white image."""
    for column in columns:
        values = features[column.name]
        if column.kind in _ORDERED:
            yield pl.lit(values.max() if greatest else values.min(), dtype=values.dtype).alias(column.name)
        elif column.kind == "image":
            yield pl.lit((b"\xff" if greatest else b"\x00") * len(values[0])).alias(column.name)


def _far(features: pl.DataFrame, columns: Sequence[Column]) -> Iterator[pl.Expr]:
    for column in columns:
        name = column.name
        if column.kind == "numeric" and features.schema[name].is_float():
            low, high = features.select(low=pl.col(name).min(), high=pl.col(name).max()).row(0)
            if high is not None:
                yield pl.lit(high + _FAR * (high - low), dtype=features.schema[name]).alias(name)
