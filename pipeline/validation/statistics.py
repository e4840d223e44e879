"""Collect statistics of training rows batch by batch.

Means, extremes and counts of missing values are exact. Distinct values are counted by their hashes: the smallest few
thousand are kept, and the largest of these gives an estimate of the total (K minimum values; Bar-Yossef et al. 2002).
The count is exact up to that many values, then within about 2 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.contracts.records.dataset import ColumnProfile, Dropped
from pipeline.contracts.signature import Column
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.numbers.kinds import may_number_rows
from pipeline.validation.limits import MAX_VOCABULARY
from pipeline.validation.profile import column_fields, profile_column, profile_in_threads

__all__ = ["SKETCH_HASHES", "BatchStatistics", "ColumnStatistics", "Statistics", "select_smallest_hashes"]

SKETCH_HASHES = 4096  # hashes: the estimate's standard error is 1 / sqrt(SKETCH_HASHES)
_SAMPLE_ROWS = 25_000
_MAX_COUNTED = 200_000  # distinct categories that are counted; with more, the vocabulary is that of the sample
_MAX_WAITING_COUNTS = 20_000  # counts of values that wait to be merged
_SLACK = 0.05  # three standard errors of the estimated number of distinct values
_HASHES = 2**64
_NUMBERS = ("numeric", "boolean", "datetime")


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Statistics of one batch, to be added by ``Statistics.add``."""

    rows: int
    moments: dict[str, dict[str, float | None]]  # column -> name of the moment -> value
    hashes: dict[str, pl.Series]
    counts: dict[str, pl.DataFrame]
    sample: pl.DataFrame


@dataclass(slots=True)
class ColumnStatistics:
    """Running statistics of one column."""

    missing: int = 0
    present: int = 0  # values that are not missing
    mean: float = 0.0
    squares: float = 0.0  # sum of squared deviations from the mean
    minimum: float = math.inf
    maximum: float = -math.inf
    hashes: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.UInt64))
    counts: pl.DataFrame | None = None
    counted: bool = True
    waiting: list[pl.Series] = field(default_factory=list)  # hashes that are not merged into ``hashes`` yet
    waiting_counts: list[pl.DataFrame] = field(default_factory=list)  # counts that are not merged into ``counts`` yet

    @property
    def reach(self) -> int:
        """Return the bound below which a new hash still changes the sketch."""
        return int(self.hashes[-1]) if len(self.hashes) == SKETCH_HASHES else _HASHES - 1

    @property
    def has_few(self) -> bool:
        """Return whether there are fewer hashes so far than the sketch can hold."""
        return 0 < len(self.hashes) + sum(map(len, self.waiting)) < SKETCH_HASHES

    def add_hashes(self, hashes: pl.Series) -> None:
        """Add hashes of one batch."""
        self.waiting.append(hashes)
        if sum(map(len, self.waiting)) >= SKETCH_HASHES:
            self.merge_hashes()

    def merge_hashes(self) -> None:
        """Reduce all hashes to the smallest ones; merging many at once takes as long as merging few."""
        if self.waiting:
            self.hashes = pl.concat([self.hashes, *self.waiting]).unique().sort().head(SKETCH_HASHES)
            self.waiting.clear()

    def add_counts(self, counts: pl.DataFrame) -> None:
        """Add the counts of the values of one batch."""
        self.waiting_counts.append(counts)
        if sum(waiting.height for waiting in self.waiting_counts) >= _MAX_WAITING_COUNTS:
            self.merge_counts()

    def merge_counts(self) -> None:
        """Add up the counts; with too many distinct values, keep only hashes from now on."""
        if not self.waiting_counts:
            return
        merged = [*([] if self.counts is None else [self.counts]), *self.waiting_counts]
        self.counts = pl.concat(merged).group_by("value").agg(pl.col("rows").sum())
        self.waiting_counts.clear()
        self.counted = self.counts.height <= _MAX_COUNTED
        if not self.counted:
            self.hashes = self.counts["value"].hash().sort().head(SKETCH_HASHES)

    @property
    def distinct(self) -> int:
        """Return the number of distinct values, which is an estimate if there are many."""
        if self.counts is not None and self.counted:
            return self.counts.height
        if len(self.hashes) < SKETCH_HASHES:
            return len(self.hashes)
        return round((SKETCH_HASHES - 1) / (self.reach / _HASHES))


class Statistics:
    """Running statistics of all columns."""

    def __init__(self, columns: Sequence[InferredColumn], expected: int) -> None:
        """Start the statistics for about ``expected`` rows."""
        self.columns = columns
        self.rows = 0
        self._step = max(1, expected // _SAMPLE_ROWS)  # the sample has every step-th row
        self._columns = {column.name: ColumnStatistics() for column in columns}
        self._moments = [_select_moments(column) for column in columns]
        self._sample: list[pl.DataFrame] = []

    def summarize(self, train: pl.DataFrame) -> BatchStatistics:
        """Compute the statistics of one batch. It changes nothing, so threads may call it."""
        categories = [column.name for column in self.columns if column.column.kind == "categorical"]
        counts = {
            name: train[name].drop_nulls().alias("value").value_counts(name="rows")
            for name in categories
            if self._columns[name].counted
        }
        return BatchStatistics(
            rows=train.height,
            moments=train.select(self._moments).row(0, named=True) if self._moments else {},
            hashes=self._hash(train, [name for name in self._columns if name not in counts]),
            counts=counts,
            sample=pl.DataFrame([train[name] for name in self._columns]).gather_every(self._step),
        )

    def add(self, batch: BatchStatistics) -> None:
        """Add the statistics of one batch."""
        self.rows += batch.rows
        self._sample.append(batch.sample)
        for name, column in self._columns.items():
            _add_moments(column, batch.moments[name], batch.rows)
            if name in batch.hashes:
                column.add_hashes(batch.hashes[name])
            if name in batch.counts and column.counted:
                column.add_counts(batch.counts[name])

    def profiles(self) -> tuple[list[ColumnProfile], list[Dropped]]:
        """Return the profiles of columns, and the columns that are dropped.

        Medians, and the date parts that differ, are those of the sample.
        """
        sample = pl.concat(self._sample)
        return profile_in_threads(lambda column: self._profile(column.column, sample[column.name]), self.columns)

    def _profile(self, described: Column, sample: pl.Series) -> ColumnProfile | Dropped:
        name, column = described.name, self._columns[described.name]
        column.merge_hashes()
        column.merge_counts()
        if not column.present:
            return Dropped(name=name, reason="only missing values in the training rows")
        if described.kind == "numeric" and self._is_row_number(column, sample):
            return Dropped(name=name, reason="a row number: consecutive whole numbers, each of them once")
        profile = profile_column(described, sample)
        if isinstance(profile, Dropped):
            if column.distinct == 1 and not column.missing:
                return profile
            profile = ColumnProfile(**column_fields(described), missing=0, distinct=0, median=column.mean)
        update: dict[str, object] = {"missing": column.missing, "distinct": column.distinct}
        if described.kind in _NUMBERS:
            deviation = math.sqrt(column.squares / (column.present - 1)) if column.present > 1 else None
            update |= {"mean": column.mean, "std": deviation, "minimum": column.minimum, "maximum": column.maximum}
        if described.kind == "categorical" and column.counted and column.counts is not None:
            frequent = column.counts.sort("rows", "value", descending=[True, False]).head(MAX_VOCABULARY)
            update["vocabulary"] = tuple(frequent["value"])
        return profile.model_copy(update=update)

    def _is_row_number(self, column: ColumnStatistics, sample: pl.Series) -> bool:
        """Return whether the values are distinct whole numbers without gaps, except for rows of other splits."""
        span = column.maximum - column.minimum + 1
        are_distinct = column.distinct >= self.rows * (1 - _SLACK) and self.rows <= span <= 2 * self.rows
        if not are_distinct or column.missing or not (sample == sample.floor()).all():
            return False
        return may_number_rows(sample.name, column.minimum, self.rows)

    def _hash(self, train: pl.DataFrame, names: Sequence[str]) -> dict[str, pl.Series]:
        """Return the smallest hashes of each column.

        The smallest hashes of mostly distinct values are below a bound, so that most other hashes need no comparison.
        Columns with too few hashes below the bound are searched again without it.
        """
        bound = int(_HASHES * min(1.0, 2 * SKETCH_HASHES / max(1, train.height)))
        reaches = {name: self._columns[name].reach for name in names if not self._columns[name].has_few}
        smallest = _find_smallest_hashes(train, {name: min(reach, bound) for name, reach in reaches.items()})
        is_short = {name for name, hashes in smallest.items() if reaches[name] > bound and len(hashes) < SKETCH_HASHES}
        unbounded = {name: self._columns[name].reach for name in names if name not in smallest or name in is_short}
        return smallest | _find_smallest_hashes(train, unbounded)


def _find_smallest_hashes(train: pl.DataFrame, reaches: Mapping[str, int]) -> dict[str, pl.Series]:
    hashes = train.select(select_smallest_hashes(name, reach) for name, reach in reaches.items())
    return {name: hashes[name].explode() for name in reaches}


def select_smallest_hashes(name: str, reach: int) -> pl.Expr:
    """Return an expression for the smallest hashes of a column below ``reach``, as one list."""
    hashes = pl.col(name).drop_nulls().hash()
    if reach < _HASHES - 1:
        hashes = hashes.filter(hashes < reach)
    return hashes.unique().bottom_k(SKETCH_HASHES).implode().alias(name)


def _select_moments(inferred: InferredColumn) -> pl.Expr:
    column = pl.col(inferred.name)
    moments = {"present": column.count()}
    if inferred.column.kind in _NUMBERS:
        wide = column.cast(pl.Float64)
        moments |= {"mean": wide.mean(), "var": wide.var(ddof=0), "min": column.min(), "max": column.max()}
    return pl.struct(moment.alias(key) for key, moment in moments.items()).alias(inferred.name)


def _add_moments(column: ColumnStatistics, batch: dict[str, float | None], rows: int) -> None:
    """Merge the mean and the squared deviations of a batch (Chan et al. 1979)."""
    present, mean = int(batch["present"] or 0), batch.get("mean")
    column.missing += rows - present
    column.present += present
    if not present or mean is None:
        return
    difference, before = mean - column.mean, column.present - present
    column.mean += difference * present / column.present
    column.squares += (batch["var"] or 0.0) * present + difference**2 * before * present / column.present
    column.minimum = min(column.minimum, float(batch["min"] or 0.0))
    column.maximum = max(column.maximum, float(batch["max"] or 0.0))
