"""Which rows train, choose and test: seeded, stratified, and copies of one row together."""

from __future__ import annotations

import polars as pl

from pipeline.contracts.errors import TooFewRowsError
from pipeline.contracts.job_spec import Split

__all__ = ["SPLITS", "assign_splits", "group_copies"]

SPLITS = ("train", "validation", "test")
_QUANTILES = 20  # strata of a regression target
_MOST_COPIES = 0.5  # of the rows; where more are copies, repeating is the data's nature and no mishap


def group_copies(frame: pl.DataFrame) -> tuple[pl.Series, tuple[str, ...]]:
    """For each row a number that its exact copies share, and warnings; where most rows are copies, each is alone."""
    rows = frame.hash_rows()
    copies = len(rows) - rows.n_unique()
    if copies == 0:
        return rows, ()
    if copies > len(rows) * _MOST_COPIES:
        warning = f"{copies:,} of {len(rows):,} rows repeat others exactly: the same row may both train and test"
        return pl.Series(range(len(rows)), dtype=pl.UInt64), (warning,)
    return rows, (f"{copies:,} of {len(rows):,} rows repeat others exactly: copies are kept in one split",)


def assign_splits(target: pl.Series, groups: pl.Series, shares: Split, seed: int) -> pl.Series:
    """The name of each row's split. Every class trains; rows of one group stay together.

    ``target`` without nulls: its classes (String) or quantiles (Float64) are the strata. Raise TooFewRowsError when a
    split would be empty.
    """
    rows = pl.DataFrame({"stratum": _strata(target), "group": groups})
    units = rows.unique("group", keep="first", maintain_order=True)
    units = units.with_columns(order=pl.int_range(pl.len()).shuffle(seed)).sort("stratum", "order")
    units = units.with_columns(split=_deal(units["stratum"].is_first_distinct(), shares))
    assigned = rows.join(units.select("group", "split"), on="group", how="left", maintain_order="left")["split"]
    for name in SPLITS:
        if name not in assigned:
            raise TooFewRowsError(
                f"{len(assigned):,} rows leave none for {name}: more rows, or other shares in split, are expected"
            )
    return assigned


def _strata(target: pl.Series) -> pl.Series:
    if target.dtype == pl.String:
        return target
    return (target.rank("ordinal").cast(pl.Int64) - 1) * _QUANTILES // len(target)


def _deal(always_train: pl.Series, shares: Split) -> pl.Series:
    """Every n-th of the sorted units, so that each stratum gives its share to within one."""
    split = pl.Series(["train"] * len(always_train))
    for name, share in (("test", shares.test), ("validation", shares.validation)):
        free = (split == "train") & ~always_train
        place = free.cast(pl.Int64).cum_sum()  # 1, 2, 3 ... along the free ones
        rate = min(1.0, share * len(split) / max(1, int(free.sum())))
        taken = (place * rate + 0.5).floor() > ((place - 1) * rate + 0.5).floor()
        split = split.set(free & taken, name)
    return split
