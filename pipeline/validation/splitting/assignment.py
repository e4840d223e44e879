"""Which rows train, choose and test: by seeded chance, stratified, copies of one row together; by time; or by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.contracts.errors import TooFewRowsError
from pipeline.contracts.job_spec import Split

__all__ = ["SPLITS", "assign_by_group", "assign_by_time", "assign_splits", "group_copies"]

SPLITS = ("train", "validation", "test")
_QUANTILES = 20  # strata of a regression target
_MAX_COPIES = 0.5  # of the rows; where more are copies, repeating is the data's nature and no mishap


def group_copies(frame: pl.DataFrame) -> tuple[pl.Series, tuple[str, ...]]:
    """For each row a number that its exact copies share, and warnings; where most rows are copies, each is alone."""
    rows = frame.hash_rows()
    copies = len(rows) - rows.n_unique()
    if copies == 0:
        return rows, ()
    if copies > len(rows) * _MAX_COPIES:
        warning = f"{copies:,} of {len(rows):,} rows repeat others exactly: the same row may both train and test"
        return pl.Series(range(len(rows)), dtype=pl.UInt64), (warning,)
    return rows, (f"{copies:,} of {len(rows):,} rows repeat others exactly: copies are kept in one split",)


def assign_splits(
    target: pl.Series, groups: pl.Series, shares: Split, seed: int, *, given_test: bool = False
) -> pl.Series:
    """The name of each row's split. Every class trains; rows of one group stay together.

    ``target`` without nulls: its classes (String) or quantiles (Float64) are the strata. ``given_test``: the test rows
    are others. Raise TooFewRowsError when a split would be empty.
    """
    wanted = _shares(shares, given_test=given_test)
    first = groups.is_first_distinct()  # one row of each group: it stands for the group
    dealt = _dealt(_strata(target).filter(first), wanted, seed)
    if len(dealt) == len(groups):
        assigned = dealt
    else:
        units = pl.DataFrame({"group": groups.filter(first), "split": dealt})
        assigned = groups.alias("group").to_frame().join(units, on="group", how="left", maintain_order="left")["split"]
    for name in ("train", *wanted):
        if name not in assigned:
            raise TooFewRowsError(
                f"{len(assigned):,} rows leave none for {name}: more rows, or other shares in split, are expected"
            )
    return assigned


def assign_by_time(times: pl.Series, shares: Split, *, given_test: bool = False) -> pl.Series:
    """The latest rows test, those before them validate; rows of one moment stay together.

    Raise TooFewRowsError when a split would be empty.
    """
    units = times.value_counts(name="rows").sort(times.name, descending=True)
    return _in_order(times, units, shares, given_test=given_test, what="moments")


def assign_by_group(groups: pl.Series, shares: Split, seed: int, *, given_test: bool = False) -> pl.Series:
    """Rows of one group are in one split; groups are dealt in a seeded order, those that are too big for others train.

    Raise TooFewRowsError when a split would be empty.
    """
    room = min(_shares(shares, given_test=given_test).values()) * len(groups)
    units = groups.value_counts(name="rows").sort("rows", groups.name)
    units = units.with_columns(order=pl.int_range(pl.len()).shuffle(seed)).sort(pl.col("rows") > room, "order")
    return _in_order(groups, units, shares, given_test=given_test, what="groups")


def _in_order(keys: pl.Series, units: pl.DataFrame, shares: Split, *, given_test: bool, what: str) -> pl.Series:
    """``units`` [key, rows]: the first ones test until that share is reached, the next validate, the rest train."""
    wanted = _shares(shares, given_test=given_test)
    rows = units["rows"].cum_sum()
    middle = rows - units["rows"] / 2
    first, names = 0, []
    for name, share in wanted.items():
        until = (rows[first - 1] if first else 0) + share * len(keys)
        last = max(first + 1, int((middle < until).sum()))  # one at least, however big
        names += [name] * (last - first)
        first = last
    if first >= units.height:
        raise TooFewRowsError(
            f"split: {units.height:,} {what} in column '{keys.name}' leave none for training: at least "
            f"{len(wanted) + 1} are expected, one for each split"
        )
    dealt = pl.Series(names + ["train"] * (units.height - first))
    named = units.select(pl.first(), split=dealt)
    return keys.to_frame().join(named, on=keys.name, how="left", maintain_order="left")["split"]


def _shares(shares: Split, *, given_test: bool) -> Mapping[str, float]:
    """Of the splits that are carved from the data, beside train."""
    return {"validation": shares.validation} if given_test else {"test": shares.test, "validation": shares.validation}


def _strata(target: pl.Series) -> pl.Series:
    """A number for each row, in the order of its class's name or of its value."""
    if target.dtype == pl.String:
        return target.cast(pl.Enum(target.unique().sort())).to_physical()
    return (target.rank("ordinal").cast(pl.Int64) - 1) * _QUANTILES // len(target)


def _dealt(strata: pl.Series, shares: Mapping[str, float], seed: int) -> pl.Series:
    """The name of each unit's split: of the units sorted by stratum, within it by chance, every n-th."""
    order = pl.int_range(len(strata), eager=True).shuffle(seed)
    places = (strata.cast(pl.Int64) * len(strata) + order).arg_sort()
    dealt = _every_nth(strata.gather(places).is_first_distinct(), list(shares.values()))
    numbers = pl.zeros(len(strata), dtype=pl.UInt8, eager=True).scatter(places, dealt)
    return pl.Series(["train", *shares]).gather(numbers)


def _every_nth(always_train: pl.Series, shares: Sequence[float]) -> pl.Series:
    """Which split each of the sorted units goes to, 0: it trains; each stratum gives its share to within one."""
    split = pl.zeros(len(always_train), dtype=pl.UInt8, eager=True)
    for number, share in enumerate(shares, 1):
        free = (split == 0) & ~always_train
        place = free.cast(pl.Int64).cum_sum()  # 1, 2, 3 ... along the free ones
        rate = min(1.0, share * len(split) / max(1, int(free.sum())))
        taken = (place * rate + 0.5).floor() > ((place - 1) * rate + 0.5).floor()
        split = split.set(free & taken, number)
    return split
