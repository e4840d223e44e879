"""Assign rows to splits: stratified at random with copies of a row in one split, by time, or by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.contracts.errors import TooFewRowsError

__all__ = ["SPLITS", "SPLIT_TYPE", "assign_by_group", "assign_by_time", "assign_splits", "group_copies"]

SPLITS = ("train", "validation", "test")
SPLIT_TYPE = pl.Enum(SPLITS)  # compared faster than strings
_QUANTILES = 20  # number of strata of a regression target
_MAX_COPIES = 0.5  # maximum fraction of copies; with more, repetition is part of the data


def group_copies(frame: pl.DataFrame) -> tuple[pl.Series | None, tuple[str, ...]]:
    """Group exact copies of rows.

    Returns:
        The group of each row, which its copies share, or None if there are no copies or most rows are copies; and
        warnings.
    """
    rows = frame.hash_rows()
    copies = len(rows) - rows.n_unique()
    if copies == 0:
        return None, ()
    if copies > len(rows) * _MAX_COPIES:
        warning = f"{copies:,} of {len(rows):,} rows repeat others exactly: the same row may be in training and test"
        return None, (warning,)
    return rows, (f"{copies:,} of {len(rows):,} rows repeat others exactly: copies are kept in one split",)


def assign_splits(target: pl.Series, groups: pl.Series | None, fractions: Mapping[str, float], seed: int) -> pl.Series:
    """Assign rows at random, stratified. Every class has training rows; rows of one group are in the same split.

    Args:
        target: Values without nulls; its classes (String) or quantiles (Float64) are the strata.
        groups: The group of each row; None: each row is a group.
        fractions: Fraction of each split except train.
        seed: Seed of the random order.

    Returns:
        Each row's split, as SPLIT_TYPE.

    Raises:
        TooFewRowsError: A split would be empty.
    """
    strata = _stratify(target)
    if groups is None:
        assigned = _split_by_stratum(strata, fractions, seed)
    else:
        first = groups.is_first_distinct()  # one row represents each group
        split_names = _split_by_stratum(strata.filter(first), fractions, seed)
        units = pl.DataFrame({"group": groups.filter(first), "split": split_names})
        assigned = groups.alias("group").to_frame().join(units, on="group", how="left", maintain_order="left")["split"]
    for name in ("train", *fractions):
        if not (assigned == name).any():
            raise TooFewRowsError(
                f"{len(assigned):,} rows leave none for {name}: more rows or other shares in split are expected"
            )
    return assigned


def assign_by_time(times: pl.Series, fractions: Mapping[str, float]) -> pl.Series:
    """Assign the latest rows to test, the rows before them to validation; rows of the same time are in one split.

    Args:
        times: The time of each row.
        fractions: Fraction of each split except train.

    Returns:
        Each row's split, as SPLIT_TYPE.

    Raises:
        TooFewRowsError: A split would be empty.
    """
    units = times.value_counts(name="rows").sort(times.name, descending=True)
    return _assign_in_order(times, units, fractions, noun="moments")


def assign_by_group(groups: pl.Series, fractions: Mapping[str, float], seed: int) -> pl.Series:
    """Assign whole groups in a random order; groups that are too large for another split are for training.

    Args:
        groups: The group of each row.
        fractions: Fraction of each split except train.
        seed: Seed of the random order.

    Returns:
        Each row's split, as SPLIT_TYPE.

    Raises:
        TooFewRowsError: A split would be empty.
    """
    max_rows = min(fractions.values()) * len(groups)
    units = groups.value_counts(name="rows").sort("rows", groups.name)
    units = units.with_columns(order=pl.int_range(pl.len()).shuffle(seed)).sort(pl.col("rows") > max_rows, "order")
    return _assign_in_order(groups, units, fractions, noun="groups")


def _assign_in_order(keys: pl.Series, units: pl.DataFrame, fractions: Mapping[str, float], *, noun: str) -> pl.Series:
    """Assign the first ``units`` [key, rows] to test up to its fraction, the next ones to validation, then to train."""
    rows = units["rows"].cum_sum()
    middle = rows - units["rows"] / 2
    first, names = 0, []
    for name, fraction in fractions.items():
        end = (rows[first - 1] if first else 0) + fraction * len(keys)
        last = max(first + 1, int((middle < end).sum()))  # at least one unit, however large
        names += [name] * (last - first)
        first = last
    if first >= units.height:
        raise TooFewRowsError(
            f"split: {units.height:,} {noun} in column '{keys.name}' leave none for training: at least "
            f"{len(fractions) + 1} are expected, one for each split"
        )
    split_names = pl.Series(names + ["train"] * (units.height - first), dtype=SPLIT_TYPE)
    named = units.select(pl.first(), split=split_names)
    return keys.to_frame().join(named, on=keys.name, how="left", maintain_order="left")["split"]


def _stratify(target: pl.Series) -> pl.Series:
    """Return the stratum of each row, numbered in the order of class names or of values."""
    if target.dtype == pl.String:
        return target.cast(pl.Enum(target.unique().sort())).to_physical()
    return (target.rank("ordinal").cast(pl.Int64) - 1) * _QUANTILES // len(target)


def _split_by_stratum(strata: pl.Series, fractions: Mapping[str, float], seed: int) -> pl.Series:
    """Return each unit's split: every n-th of the units, which are sorted by stratum and shuffled within a stratum."""
    order = pl.int_range(len(strata), eager=True).shuffle(seed)
    sorted_units = (strata.cast(pl.Int64) * len(strata) + order).arg_sort()
    sorted_strata = strata.gather(sorted_units)
    is_first = (sorted_strata != sorted_strata.shift()).fill_null(value=True)
    numbers = _take_every_nth(is_first, list(fractions.values()))
    by_unit = pl.zeros(len(strata), dtype=pl.UInt8, eager=True).scatter(sorted_units, numbers)
    return pl.Series(["train", *fractions], dtype=SPLIT_TYPE).gather(by_unit)


def _take_every_nth(always_train: pl.Series, fractions: Sequence[float]) -> pl.Series:
    """Return the index of each sorted unit's split, 0 for train; each stratum has its fraction within one unit."""
    split = pl.zeros(len(always_train), dtype=pl.UInt8, eager=True)
    for number, fraction in enumerate(fractions, 1):
        free = (split == 0) & ~always_train
        position = free.cast(pl.Int64).cum_sum()  # 1, 2, 3 ... along the free units
        rate = min(1.0, fraction * len(split) / max(1, int(free.sum())))
        taken = (position * rate + 0.5).floor() > ((position - 1) * rate + 0.5).floor()
        split = split.set(free & taken, number)
    return split
