"""Profile a column: statistics of its values in the training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, get_args

import polars as pl

from pipeline.contracts.records.dataset import ColumnProfile, DatePart, Dropped
from pipeline.contracts.signature import Column
from pipeline.parsing.dates import SECONDS_A_DAY
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.limits import MAX_VOCABULARY
from pipeline.validation.threads import map_in_threads

__all__ = ["column_fields", "profile_column", "profile_in_threads"]


def profile_column(column: Column, train: pl.Series) -> ColumnProfile | Dropped:
    """Profile a column.

    Args:
        column: The column and its kind.
        train: Values of the column in the training rows.

    Returns:
        The profile, or Dropped with the reason if the values carry no information.
    """
    missing = train.null_count()
    values = train.drop_nulls()
    if values.dtype.is_float():
        # Sorted values make the median and the distinct values faster. One thread: each column has a thread already.
        values = values.sort(multithreaded=False)
    distinct = values.n_unique()
    if distinct == 0:
        return Dropped(name=train.name, reason="only missing values in the training rows")
    if distinct == 1 and missing == 0:
        return Dropped(name=train.name, reason="constant: one value in all training rows")
    profile = ColumnProfile(**column_fields(column), missing=missing, distinct=distinct)
    if column.kind in ("image", "text"):
        return profile
    if column.kind == "categorical":
        return profile.model_copy(update={"vocabulary": _count_vocabulary(values)})
    if column.kind == "datetime":
        profile = profile.model_copy(update={"parts": _find_date_parts(values)})
    return profile.model_copy(update=_compute_statistics(values))


def profile_in_threads(
    profile: Callable[[InferredColumn], ColumnProfile | Dropped], columns: Sequence[InferredColumn]
) -> tuple[list[ColumnProfile], list[Dropped]]:
    """Return the profiles of columns, and the columns that are dropped.

    Args:
        profile: Profiles one column; it is called in threads.
        columns: Columns to profile.
    """
    results = map_in_threads(profile, columns)
    profiles = [result for result in results if isinstance(result, ColumnProfile)]
    return profiles, [result for result in results if isinstance(result, Dropped)]


def column_fields(column: Column) -> dict[str, Any]:
    """Return the fields that a ColumnProfile has in common with ``column``."""
    return {field.name: getattr(column, field.name) for field in fields(column)}


def _count_vocabulary(values: pl.Series) -> Sequence[str]:
    counts = values.rename("value").value_counts(name="rows").sort("rows", "value", descending=[True, False])
    return tuple(counts["value"].head(MAX_VOCABULARY))


def _find_date_parts(seconds: pl.Series) -> tuple[DatePart, ...]:
    """Return the date parts that differ between rows; times of day without a date have only the parts of a clock."""
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
    return tuple(date_part for date_part in get_args(DatePart) if differ[date_part].item()) or ("trend",)


def _compute_statistics(values: pl.Series) -> dict[str, float | None]:
    numbers = pl.DataFrame({"x": values.cast(pl.Float64)})
    x = pl.col("x")
    return numbers.select(mean=x.mean(), std=x.std(), minimum=x.min(), median=x.median(), maximum=x.max()).row(
        0, named=True
    )
