"""Statistics of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_args

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, DatePart, LeftOut
from pipeline.contracts.signature import Column
from pipeline.parsing.dates import SECONDS_A_DAY
from pipeline.validation.limits import MAX_VOCABULARY

__all__ = ["column_fields", "profile_column"]


def profile_column(column: Column, train: pl.Series) -> ColumnProfile | LeftOut:
    """Profile a column.

    Args:
        column: How it is read.
        train: Its values in the training rows.

    Returns:
        The profile, or why the values tell nothing.
    """
    missing = train.null_count()
    values = train.drop_nulls()
    if values.dtype.is_float():
        values = values.sort()  # then the median is at hand, and distinct values are neighbors
    distinct = values.n_unique()
    if distinct == 0:
        return LeftOut(name=train.name, reason="only missing values in the training rows")
    if distinct == 1 and missing == 0:
        return LeftOut(name=train.name, reason="constant: one value in all training rows")
    profile = ColumnProfile(**column_fields(column), missing=missing, distinct=distinct)
    if column.kind in ("image", "text"):
        return profile
    if column.kind == "categorical":
        return profile.model_copy(update={"vocabulary": _vocabulary(values)})
    if column.kind == "datetime":
        profile = profile.model_copy(update={"parts": _parts(values)})
    return profile.model_copy(update=_statistics(values))


def column_fields(column: Column) -> dict[str, Any]:
    """The fields of a ColumnProfile that say how the column is read."""
    return {field.name: getattr(column, field.name) for field in fields(column)}


def _vocabulary(known: pl.Series) -> Sequence[str]:
    counts = known.rename("value").value_counts(name="rows").sort("rows", "value", descending=[True, False])
    return tuple(counts["value"].head(MAX_VOCABULARY))


def _parts(seconds: pl.Series) -> tuple[DatePart, ...]:
    """Those that differ from row to row; of a time of day without a date only the clock's do."""
    time = pl.from_epoch(pl.col("seconds").floor().cast(pl.Int64), time_unit="s")
    differ = (
        pl.DataFrame({"seconds": seconds})
        .select(
            trend=pl.col("seconds"),
            year=time.dt.year(),
            month=time.dt.month(),
            day=time.dt.day(),
            weekday=time.dt.weekday(),
            hour=time.dt.hour(),
            season=time.dt.ordinal_day(),
            clock=pl.col("seconds") % SECONDS_A_DAY,
        )
        .select(pl.all().n_unique() > 1)
    )
    return tuple(part for part in get_args(DatePart) if differ[part].item()) or ("trend",)


def _statistics(known: pl.Series) -> dict[str, float | None]:
    numbers = pl.DataFrame({"x": known.cast(pl.Float64)})
    x = pl.col("x")
    return numbers.select(mean=x.mean(), std=x.std(), minimum=x.min(), median=x.median(), maximum=x.max()).row(
        0, named=True
    )
