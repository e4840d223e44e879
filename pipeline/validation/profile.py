"""Statistics of the training rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, LeftOut
from pipeline.validation.kinds import Typed
from pipeline.validation.limits import MOST_VOCABULARY

__all__ = ["profile_column"]


def profile_column(typed: Typed, train: pl.Series) -> ColumnProfile | LeftOut:
    """``train``: the column's values in the training rows; LeftOut when these tell nothing."""
    missing = train.null_count()
    known = train.drop_nulls()
    distinct = known.n_unique()
    if distinct == 0:
        return LeftOut(name=train.name, reason="only missing values in the training rows")
    if distinct == 1 and missing == 0:
        return LeftOut(name=train.name, reason="constant: one value in all training rows")
    profile = ColumnProfile(name=train.name, kind=typed.kind, missing=missing, distinct=distinct)
    if typed.kind == "categorical":
        return profile.model_copy(update={"vocabulary": _vocabulary(known)})
    return profile.model_copy(update=_statistics(known))


def _vocabulary(known: pl.Series) -> Sequence[str]:
    counts = known.rename("value").value_counts(name="rows").sort("rows", "value", descending=[True, False])
    return tuple(counts["value"].head(MOST_VOCABULARY))


def _statistics(known: pl.Series) -> dict[str, float | None]:
    numbers = pl.DataFrame({"x": known.cast(pl.Float64)})
    x = pl.col("x")
    return numbers.select(mean=x.mean(), std=x.std(), minimum=x.min(), median=x.median(), maximum=x.max()).row(
        0, named=True
    )
