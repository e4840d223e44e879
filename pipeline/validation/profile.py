"""Statistics of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, DatePart, LeftOut
from pipeline.parsing.dates import SECONDS_A_DAY
from pipeline.validation.columns.type_inference import Typed
from pipeline.validation.limits import MOST_VOCABULARY

__all__ = ["profile_column"]


def profile_column(typed: Typed, train: pl.Series) -> ColumnProfile | LeftOut:
    """``train``: the column's values in the training rows; LeftOut when these tell nothing."""
    missing = train.null_count()
    known = train.drop_nulls()
    if known.dtype.is_float():
        known = known.sort()  # then the median is at hand, and distinct values are neighbours
    distinct = known.n_unique()
    if distinct == 0:
        return LeftOut(name=train.name, reason="only missing values in the training rows")
    if distinct == 1 and missing == 0:
        return LeftOut(name=train.name, reason="constant: one value in all training rows")
    profile = ColumnProfile(name=train.name, kind=typed.kind, missing=missing, distinct=distinct, shape=typed.shape)
    if typed.kind == "image":
        return profile
    if typed.kind == "categorical":
        return profile.model_copy(update={"vocabulary": _vocabulary(known)})
    if typed.kind == "text":
        return profile
    if typed.kind == "datetime":
        profile = profile.model_copy(update={"parts": _parts(known), "day_first": typed.day_first})
    return profile.model_copy(update=_statistics(known))


def _vocabulary(known: pl.Series) -> Sequence[str]:
    counts = known.rename("value").value_counts(name="rows").sort("rows", "value", descending=[True, False])
    return tuple(counts["value"].head(MOST_VOCABULARY))


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
