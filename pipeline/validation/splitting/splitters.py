"""Which split each row goes to: exactly, where all rows are at hand; by a seeded hash, where they come in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.errors import InvalidTargetError
from pipeline.contracts.job_spec import JobSpec, Split
from pipeline.validation.columns.target import TargetRule, describe_others
from pipeline.validation.limits import MAX_RARE_SHARE, MIN_CLASS_ROWS
from pipeline.validation.schema import CastRows, Schema
from pipeline.validation.splitting.assignment import assign_by_group, assign_by_time, assign_splits, group_copies

__all__ = [
    "Assigned",
    "ExactSplitter",
    "HashSplitter",
    "Splitter",
    "check_rare_classes",
    "explain_rare",
    "explain_untrained",
]

_MAX_HELD = 250_000  # rows that validate, and that test: more make quality no surer, and are held in memory later
_TOP = float(2**64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assigned:
    """``splits``: the name of each row's split. ``unusable``: rows of it that no split takes, and why."""

    splits: pl.Series
    unusable: Sequence[tuple[pl.Series, str]] = ()
    warnings: Sequence[str] = ()


class Splitter(ABC):
    """Assigns usable rows to splits."""

    @abstractmethod
    def assign(self, frame: pl.DataFrame, placed: pl.Series | None, batch: int) -> Assigned:
        """Assign the rows of one batch.

        Args:
            frame: Rows in the types of the split files.
            placed: The time or group of each, where the rows are split by one.
            batch: The number of the batch, from 0.
        """


def explain_rare() -> str:
    """Why rows of a rare class are rejected."""
    return f"a class of the target with fewer than {MIN_CLASS_ROWS} rows"


def explain_untrained(target: str) -> str:
    """Why rows of a class are rejected that no training row has."""
    return f"a class of the target '{target}' that no training row has"


def check_rare_classes(target: TargetRule, counts: pl.DataFrame) -> list[str]:
    """Return the classes of too few rows.

    Args:
        target: The rule of the target.
        counts: Columns ``class`` and ``rows``.

    Raises:
        InvalidTargetError: They hold more than a small share of the rows, or fewer than two classes are left.
    """
    rare = counts.filter(pl.col("rows") < MIN_CLASS_ROWS)
    lost, rows = int(rare["rows"].sum()), int(counts["rows"].sum())
    if lost > rows * MAX_RARE_SHARE or counts.height - rare.height < 2:
        others = describe_others(counts["class"], counts["rows"])
        raise InvalidTargetError(
            f"{rare.height:,} of the {counts.height:,} classes of the target '{target.name}' have fewer than "
            f"{MIN_CLASS_ROWS} rows ({lost:,} of {rows:,} rows): two classes with that many are expected at least, "
            f"and {MAX_RARE_SHARE:.0%} of the rows at most in smaller ones"
            + (f"; were numbers meant?{others}" if others else "; --target chooses another column")
        )
    return rare["class"].to_list()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExactSplitter(Splitter):
    """Shares and strata hold exactly: there is one batch, with all rows."""

    spec: JobSpec
    target: TargetRule
    has_test: bool  # test rows are in a file of their own

    def assign(self, frame: pl.DataFrame, placed: pl.Series | None, batch: int) -> Assigned:
        values = frame[self.target.name]
        if self.target.task != "classification":
            splits, warnings = self._assign(frame, placed)
            return Assigned(splits=splits, warnings=warnings)
        rare = check_rare_classes(self.target, values.rename("class").value_counts(name="rows"))
        is_rare = values.is_in(rare)
        common = frame.filter(~is_rare)
        splits, warnings = self._assign(common, None if placed is None else placed.filter(~is_rare))
        labels = common[self.target.name]
        trained = labels.filter(splits == "train").unique()
        everywhere = pl.Series(["train"]).new_from_index(0, frame.height).scatter((~is_rare).arg_true(), splits)
        untrained = ~is_rare & ~values.is_in(trained.to_list())
        return Assigned(
            splits=everywhere,
            unusable=((is_rare, explain_rare()), (untrained, explain_untrained(self.target.name))),
            warnings=warnings,
        )

    def _assign(self, frame: pl.DataFrame, placed: pl.Series | None) -> tuple[pl.Series, Sequence[str]]:
        shares, seed = self.spec.split, self.spec.seed
        if placed is None:
            copies, warnings = group_copies(frame)
            return assign_splits(frame[self.target.name], copies, shares, seed, given_test=self.has_test), warnings
        if shares.by == "time":
            return assign_by_time(placed, shares, given_test=self.has_test), ()
        return assign_by_group(placed, shares, seed, given_test=self.has_test), ()


@dataclass(frozen=True, kw_only=True, slots=True)
class HashSplitter(Splitter):
    """Shares and strata hold nearly; copies of a row are together, whatever their batches.

    ``until``: the part of the rows, from 0 to 1 by their hash, that tests, and up to which they validate. ``latest``:
    of a split by time, the times from which they do. ``columns``: those that tell the rows apart. ``is_alone``: most
    rows are copies, so each is placed by itself.
    """

    seed: int
    by_time: bool
    until: tuple[float, float]
    latest: tuple[float, float]
    columns: tuple[str, ...]
    is_alone: bool

    @classmethod
    def of(cls, schema: Schema, expected: int, *, has_test: bool) -> HashSplitter:
        """Plan the splits of about ``expected`` rows by the schema's sample."""
        spec, cast = schema.spec, schema.cast(schema.sample)
        by_time = spec.split.by == "time" and spec.split.column is not None
        until = _until(spec.split, expected, has_test=has_test)
        columns, distinct = _telling_columns(cast.frame)
        return cls(
            seed=spec.seed,
            by_time=by_time,
            until=until,
            latest=_latest(cast, until) if by_time else (0.0, 0.0),
            columns=columns,
            is_alone=distinct < cast.frame.height / 2,
        )

    def assign(self, frame: pl.DataFrame, placed: pl.Series | None, batch: int) -> Assigned:
        if self.by_time:
            assert placed is not None, "times were read"
            test, validation = placed >= self.latest[0], placed >= self.latest[1]
        else:
            # Hashed again: a row's hash is not even in its first bits.
            share = self._hashes(frame, placed, batch).hash(self.seed).cast(pl.Float64) / _TOP
            test, validation = share < self.until[0], share < self.until[1]
        names = (
            pl.when(test).then(pl.lit("test")).when(validation).then(pl.lit("validation")).otherwise(pl.lit("train"))
        )
        return Assigned(splits=pl.select(names.alias("split")).to_series())

    def _hashes(self, frame: pl.DataFrame, placed: pl.Series | None, batch: int) -> pl.Series:
        if placed is not None:
            return placed.hash(self.seed)
        if self.is_alone:
            return pl.int_range(batch << 40, (batch << 40) + frame.height, eager=True).hash(self.seed)
        return pl.DataFrame([frame[name] for name in self.columns]).hash_rows(self.seed)


def _until(split: Split, expected: int, *, has_test: bool) -> tuple[float, float]:
    most = _MAX_HELD / max(1, expected)
    test = 0.0 if has_test else min(split.test, most)
    return test, test + min(split.validation, most)


def _latest(cast: CastRows, until: tuple[float, float]) -> tuple[float, float]:
    assert cast.placed is not None, "times were read"
    ends = [cast.placed.quantile(1 - share, "higher") if share else float("inf") for share in until]
    return float(ends[0] or 0), float(ends[1] or 0)


def _telling_columns(rows: pl.DataFrame) -> tuple[tuple[str, ...], int]:
    """A few columns that tell the sample's rows apart as well as all do, or all; and how many rows differ."""
    distinct = rows.hash_rows().n_unique()
    for few in (4, 8):
        most = sorted(rows.columns, key=lambda name: rows[name].n_unique(), reverse=True)[:few]
        if pl.DataFrame([rows[name] for name in most]).hash_rows().n_unique() == distinct:
            return tuple(most), distinct
    return tuple(rows.columns), distinct
