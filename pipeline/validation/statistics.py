"""Statistics of training rows, a batch at a time: means, extremes and missing values are exact, the rest is bounded.

Distinct values are counted by their hashes: the smallest few thousand are kept, and how far these reach says how
many there are in all (K minimum values; Bar-Yossef et al. 2002): exact up to that many, then within about 2 %.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, LeftOut
from pipeline.contracts.signature import Column
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.limits import MAX_VOCABULARY
from pipeline.validation.profile import column_fields, profile_column
from pipeline.validation.threads import map_in_threads

__all__ = ["SKETCH_HASHES", "BatchStatistics", "ColumnStatistics", "Statistics", "select_smallest_hashes"]

SKETCH_HASHES = 4096  # hashes: the estimate's standard error is 1 / sqrt(SKETCH_HASHES)
_SAMPLE_ROWS = 25_000
_MAX_COUNTED = 200_000  # values of a category that are counted; of more, the sample says which are frequent
_SLACK = 0.05  # three standard errors
_HASHES = 2**64
_NUMBERS = ("numeric", "boolean", "datetime")


@dataclass(frozen=True, slots=True)
class BatchStatistics:
    """Of one batch, as a thread made them: what ``Statistics.add`` takes."""

    rows: int
    moments: dict[str, float | None]
    hashes: dict[str, pl.Series]
    counts: dict[str, pl.DataFrame]
    sample: pl.DataFrame


@dataclass(slots=True)
class ColumnStatistics:
    missing: int = 0
    known: int = 0
    mean: float = 0.0
    squares: float = 0.0  # of the deviations from the mean
    minimum: float = math.inf
    maximum: float = -math.inf
    hashes: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.UInt64))
    counts: pl.DataFrame | None = None
    counted: bool = True
    waiting: list[pl.Series] = field(default_factory=list)  # hashes that are not among ``hashes`` yet

    @property
    def reach(self) -> int:
        """Hashes above it can tell nothing more."""
        return int(self.hashes[-1]) if len(self.hashes) == SKETCH_HASHES else _HASHES - 1

    def keep(self, hashes: pl.Series) -> None:
        self.waiting.append(hashes)
        if sum(map(len, self.waiting)) >= SKETCH_HASHES:
            self.settle()

    def settle(self) -> None:
        """Of all hashes the smallest stay; it takes as long for many as for few."""
        if self.waiting:
            self.hashes = pl.concat([self.hashes, *self.waiting]).unique().sort().head(SKETCH_HASHES)
            self.waiting.clear()

    def count(self, counts: pl.DataFrame) -> None:
        """Keep them, or, where they are too many, only their hashes from now on."""
        self.counts, self.counted = counts, counts.height <= _MAX_COUNTED
        if not self.counted:
            self.hashes = counts["value"].hash().sort().head(SKETCH_HASHES)

    @property
    def distinct(self) -> int:
        if self.counts is not None and self.counted:
            return self.counts.height
        if len(self.hashes) < SKETCH_HASHES:
            return len(self.hashes)
        return round((SKETCH_HASHES - 1) / (self.reach / _HASHES))


@dataclass(slots=True)
class Statistics:
    """``step``: every so many-th row is in the sample."""

    columns: Sequence[InferredColumn]
    step: int
    rows: int = 0
    _columns: dict[str, ColumnStatistics] = field(default_factory=dict)
    _moments: list[pl.Expr] = field(default_factory=list)
    _sample: list[pl.DataFrame] = field(default_factory=list)

    @classmethod
    def of(cls, columns: Sequence[InferredColumn], expected: int) -> Statistics:
        found = cls(columns=columns, step=max(1, expected // _SAMPLE_ROWS))
        found._columns = {column.name: ColumnStatistics() for column in columns}
        found._moments = [moment for column in columns for moment in _moments(column)]
        return found

    def of_batch(self, train: pl.DataFrame) -> BatchStatistics:
        """The work of a thread: nothing is changed."""
        categories = [column.name for column in self.columns if column.column.kind == "categorical"]
        counts = {name: _counts(train[name]) for name in categories if self._columns[name].counted}
        return BatchStatistics(
            rows=train.height,
            moments=train.select(self._moments).row(0, named=True),
            hashes=self._hashes(train, [name for name in self._columns if name not in counts]),
            counts=counts,
            sample=pl.DataFrame([train[name] for name in self._columns]).gather_every(self.step),
        )

    def add(self, batch: BatchStatistics) -> None:
        """One batch after another."""
        self.rows += batch.rows
        self._sample.append(batch.sample)
        for name, column in self._columns.items():
            _add_moments(column, {key: batch.moments.get(f"{key} {name}") for key in _MOMENTS}, batch.rows)
            if name in batch.hashes:
                column.keep(batch.hashes[name])
            if name in batch.counts and column.counted:
                column.count(_together(column.counts, batch.counts[name]))

    def profiles(self) -> tuple[list[ColumnProfile], list[LeftOut]]:
        """As profile.profile_column has it of each column; medians, and what is told of dates, are the sample's."""
        sample = pl.concat(self._sample)
        found = map_in_threads(lambda column: self._profile(column.column, sample[column.name]), self.columns)
        profiles = [one for one in found if isinstance(one, ColumnProfile)]
        return profiles, [one for one in found if isinstance(one, LeftOut)]

    def _profile(self, one: Column, sample: pl.Series) -> ColumnProfile | LeftOut:
        name, column = one.name, self._columns[one.name]
        column.settle()
        if not column.known:
            return LeftOut(name=name, reason="only missing values in the training rows")
        if one.kind == "numeric" and self._is_row_number(column, sample):
            return LeftOut(name=name, reason="a row number: whole numbers in sequence, each there once")
        profile = profile_column(one, sample)
        if isinstance(profile, LeftOut):
            if column.distinct == 1 and not column.missing:
                return profile
            profile = ColumnProfile(**column_fields(one), missing=0, distinct=0, median=column.mean)
        update: dict[str, object] = {"missing": column.missing, "distinct": column.distinct}
        if one.kind in _NUMBERS:
            deviation = math.sqrt(column.squares / (column.known - 1)) if column.known > 1 else None
            update |= {"mean": column.mean, "std": deviation, "minimum": column.minimum, "maximum": column.maximum}
        if one.kind == "categorical" and column.counted and column.counts is not None:
            frequent = column.counts.sort("rows", "value", descending=[True, False]).head(MAX_VOCABULARY)
            update["vocabulary"] = tuple(frequent["value"])
        return profile.model_copy(update=update)

    def _is_row_number(self, column: ColumnStatistics, sample: pl.Series) -> bool:
        """Whole numbers, each there once, without gaps but for the rows that do not train."""
        span = column.maximum - column.minimum + 1
        each_once = column.distinct >= self.rows * (1 - _SLACK) and self.rows <= span <= 2 * self.rows
        return each_once and not column.missing and bool((sample == sample.floor()).all())

    def _hashes(self, train: pl.DataFrame, names: Sequence[str]) -> dict[str, pl.Series]:
        """Of each column the smallest, as far as they can tell something."""
        found = train.select(select_smallest_hashes(name, self._columns[name].reach) for name in names)
        return {name: found[name].explode() for name in names}


def _literal(name: str) -> str:
    """A name that polars takes as it is: ``*`` and ``^...$`` are patterns there."""
    return f"^{re.escape(name)}$" if name == "*" or name.startswith("^") else name


def select_smallest_hashes(name: str, reach: int) -> pl.Expr:
    hashes = pl.col(_literal(name)).drop_nulls().hash()
    if reach < _HASHES - 1:
        hashes = hashes.filter(hashes < reach)
    return hashes.unique().bottom_k(SKETCH_HASHES).implode().alias(name)


_MOMENTS = ("known", "mean", "var", "min", "max")


def _moments(one: InferredColumn) -> list[pl.Expr]:
    column = pl.col(_literal(one.name))
    found = {"known": column.count()}
    if one.column.kind in _NUMBERS:
        wide = column.cast(pl.Float64)
        found |= {"mean": wide.mean(), "var": wide.var(ddof=0), "min": column.min(), "max": column.max()}
    return [expression.alias(f"{key} {one.name}") for key, expression in found.items()]


def _add_moments(column: ColumnStatistics, batch: dict[str, float | None], rows: int) -> None:
    """Mean and squares of two sets together (Chan et al. 1979)."""
    known, mean = int(batch["known"] or 0), batch["mean"]
    column.missing += rows - known
    column.known += known
    if not known or mean is None:
        return
    apart, before = mean - column.mean, column.known - known
    column.mean += apart * known / column.known
    column.squares += (batch["var"] or 0.0) * known + apart**2 * before * known / column.known
    column.minimum = min(column.minimum, float(batch["min"] or 0.0))
    column.maximum = max(column.maximum, float(batch["max"] or 0.0))


def _counts(values: pl.Series) -> pl.DataFrame:
    return values.drop_nulls().alias("value").value_counts(name="rows")


def _together(counts: pl.DataFrame | None, more: pl.DataFrame) -> pl.DataFrame:
    if counts is None:
        return more
    return pl.concat([counts, more]).group_by("value").agg(pl.col("rows").sum())
