"""Assign rows to splits: exactly if all rows are in memory, by a seeded hash if they come in batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.errors import InvalidTargetError
from pipeline.contracts.spec.job_spec import JobSpec, Split
from pipeline.validation.columns.target import TargetRule, describe_others
from pipeline.validation.limits import MAX_RARE_FRACTION, MIN_CLASS_ROWS
from pipeline.validation.schema import CastRows, Schema
from pipeline.validation.splitting.assignment import (
    SPLIT_TYPE,
    SPLITS,
    assign_by_group,
    assign_by_time,
    assign_splits,
    group_copies,
)

__all__ = [
    "RARE_CLASS",
    "Assigned",
    "ExactSplitter",
    "HashSplitter",
    "Splitter",
    "check_rare_classes",
    "explain_untrained",
]

RARE_CLASS = f"a class of the target with fewer than {MIN_CLASS_ROWS} rows"  # reason for rejecting its rows
_MAX_HELD = 250_000  # rows of each of validation and test, which are held in memory; more hardly refine the metrics
_HASHES = float(2**64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assigned:
    """Each row's split, as SPLIT_TYPE, and its group.

    ``groups`` (UInt64) are equal for rows that must be in one split: exact copies, or rows with the same value of
    ``split.column``. ``unusable``: masks of rows that belong to no split, each with the reason.
    """

    splits: pl.Series
    groups: pl.Series
    unusable: Sequence[tuple[pl.Series, str]] = ()
    warnings: Sequence[str] = ()


def explain_untrained(target: str) -> str:
    """Return the reason for rejecting rows of a class that no training row has."""
    return f"a class of the target '{target}' that no training row has"


def check_rare_classes(target: TargetRule, counts: pl.DataFrame) -> list[str]:
    """Return the classes with too few rows.

    Args:
        target: The rule of the target.
        counts: Columns ``class`` and ``rows``.

    Raises:
        InvalidTargetError: Rare classes have more than MAX_RARE_FRACTION of the rows, or fewer than two others remain.
    """
    rare = counts.filter(pl.col("rows") < MIN_CLASS_ROWS)
    n_rare, rows = int(rare["rows"].sum()), int(counts["rows"].sum())
    if n_rare > rows * MAX_RARE_FRACTION or counts.height - rare.height < 2:
        suggestion = describe_others(counts["class"], counts["rows"])
        raise InvalidTargetError(
            f"{rare.height:,} of the {counts.height:,} classes of the target '{target.name}' have fewer than "
            f"{MIN_CLASS_ROWS} rows ({n_rare:,} of {rows:,} rows): at least two classes with that many are expected, "
            f"and at most {MAX_RARE_FRACTION:.0%} of the rows in smaller classes"
            + (f"; were numbers meant?{suggestion}" if suggestion else "; --target chooses another column")
        )
    return rare["class"].to_list()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactSplitter:
    """Split all rows in one batch: fractions and strata are exact."""

    spec: JobSpec
    target: TargetRule
    has_test: bool  # whether test rows are in another file

    def assign(self, frame: pl.DataFrame, split_keys: pl.Series | None, batch: int) -> Assigned:
        """Assign all rows, and mask rows of rare classes and of classes without training rows.

        Args:
            frame: Rows in the types of the split files.
            split_keys: The time or group of each row if the rows are split by time or group; else None.
            batch: The number of the batch, from 0.

        Raises:
            InvalidTargetError: Too many rows are of rare classes.
            TooFewRowsError: A split would be empty.
        """
        values = frame[self.target.name]
        groups, copies, warnings = self._group(frame, split_keys)
        if self.target.task != "classification":
            return Assigned(splits=self._assign(values, split_keys, copies), groups=groups, warnings=warnings)
        is_rare = values.is_in(check_rare_classes(self.target, values.rename("class").value_counts(name="rows")))
        common = values.filter(~is_rare)
        splits = self._assign(common, *(None if key is None else key.filter(~is_rare) for key in (split_keys, copies)))
        trained = common.filter(splits == "train").unique()
        all_splits = (
            pl.Series(["train"], dtype=SPLIT_TYPE)
            .new_from_index(0, frame.height)
            .scatter((~is_rare).arg_true(), splits)
        )
        is_untrained = ~is_rare & ~values.is_in(trained.to_list())
        unusable = ((is_rare, RARE_CLASS), (is_untrained, explain_untrained(self.target.name)))
        return Assigned(
            splits=all_splits,
            groups=groups,
            unusable=[(mask, reason) for mask, reason in unusable if mask.any()],
            warnings=warnings,
        )

    def _group(
        self, frame: pl.DataFrame, split_keys: pl.Series | None
    ) -> tuple[pl.Series, pl.Series | None, Sequence[str]]:
        """Return each row's group; the groups of copies if the split is random and there are copies; and warnings."""
        if split_keys is not None:
            return split_keys.hash(self.spec.seed), None, ()
        copies, warnings = group_copies(frame.drop(self.spec.weight or [], strict=False))
        groups = pl.int_range(frame.height, eager=True).hash(self.spec.seed) if copies is None else copies
        return groups, copies, warnings

    def _assign(self, target: pl.Series, split_keys: pl.Series | None, copies: pl.Series | None) -> pl.Series:
        split, seed = self.spec.split, self.spec.seed
        fractions = {"test": split.test, "validation": split.validation}
        if self.has_test:
            del fractions["test"]
        if split_keys is None:
            return assign_splits(target, copies, fractions, seed)
        if split.by == "time":
            return assign_by_time(split_keys, fractions)
        return assign_by_group(split_keys, fractions, seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class HashSplitter:
    """Split rows in batches: fractions and strata are approximate, and copies of a row are in the same split."""

    seed: int
    max_fractions: tuple[float, float]  # hash / hash range: below the first value test, below the second validation
    min_times: tuple[float, float] | None  # earliest test time and earliest validation time; None: split by hash
    columns: tuple[str, ...]  # columns whose hash distinguishes the rows
    ignores_copies: bool  # whether most rows are copies, so that each row is assigned on its own

    @classmethod
    def plan(cls, schema: Schema, expected: int, *, has_test: bool) -> HashSplitter:
        """Plan the splits of about ``expected`` rows from the schema's sample."""
        spec, cast = schema.spec, schema.cast(schema.sample)
        max_fractions = _plan_fractions(spec.split, expected, has_test=has_test)
        columns, distinct = _choose_columns(cast.frame.drop(spec.weight or [], strict=False))
        return cls(
            seed=spec.seed,
            max_fractions=max_fractions,
            min_times=_find_times(cast, max_fractions) if spec.split.by == "time" and spec.split.column else None,
            columns=columns,
            ignores_copies=distinct < cast.frame.height / 2,
        )

    def assign(self, frame: pl.DataFrame, split_keys: pl.Series | None, batch: int) -> Assigned:
        """Assign the rows of one batch by their hashes or times.

        Args:
            frame: Rows in the types of the split files.
            split_keys: The time or group of each row if the rows are split by time or group; else None.
            batch: The number of the batch, from 0.
        """
        groups = self._hash(frame, split_keys, batch)
        if self.min_times is not None:
            assert split_keys is not None, "times were read"
            test, validation = split_keys >= self.min_times[0], split_keys >= self.min_times[1]
        else:
            # Hashed again, because the first bits of a row's hash are not uniform.
            fraction = groups.hash(self.seed).cast(pl.Float64) / _HASHES
            test, validation = fraction < self.max_fractions[0], fraction < self.max_fractions[1]
        train_name, validation_name, test_name = (pl.lit(split, dtype=SPLIT_TYPE) for split in SPLITS)
        names = pl.when(test).then(test_name).when(validation).then(validation_name).otherwise(train_name)
        return Assigned(splits=pl.select(names.alias("split")).to_series(), groups=groups)

    def _hash(self, frame: pl.DataFrame, split_keys: pl.Series | None, batch: int) -> pl.Series:
        if split_keys is not None:
            return split_keys.hash(self.seed)
        if self.ignores_copies:
            return pl.int_range(batch << 40, (batch << 40) + frame.height, eager=True).hash(self.seed)
        return pl.DataFrame([frame[name] for name in self.columns]).hash_rows(self.seed)


Splitter = ExactSplitter | HashSplitter


def _plan_fractions(split: Split, expected: int, *, has_test: bool) -> tuple[float, float]:
    max_fraction = _MAX_HELD / max(1, expected)
    test = 0.0 if has_test else min(split.test, max_fraction)
    return test, test + min(split.validation, max_fraction)


def _find_times(cast: CastRows, max_fractions: tuple[float, float]) -> tuple[float, float]:
    assert cast.split_keys is not None, "times were read"
    times = [cast.split_keys.quantile(1 - fraction, "higher") if fraction else math.inf for fraction in max_fractions]
    return float(times[0] or 0), float(times[1] or 0)


def _choose_columns(rows: pl.DataFrame) -> tuple[tuple[str, ...], int]:
    """Return a few columns that distinguish the sample's rows as well as all columns, and the number of distinct rows.

    All columns are returned if a few do not suffice.
    """
    distinct = rows.hash_rows().n_unique()
    for count in (4, 8):
        columns = sorted(rows.columns, key=lambda name: rows[name].n_unique(), reverse=True)[:count]
        if pl.DataFrame([rows[name] for name in columns]).hash_rows().n_unique() == distinct:
            return tuple(columns), distinct
    return tuple(rows.columns), distinct
