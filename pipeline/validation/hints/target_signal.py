"""Measure how much the order or the groups of rows explain of the target."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from pipeline.validation.schema import Schema

__all__ = ["MAX_ROWS", "Signal", "between_groups", "between_neighbors", "target_scores"]

MAX_ROWS = 100_000  # only this many first rows are used
_MAX_CLASSES = 20  # only this many most frequent classes are used
_SEED = 0  # seed of the order of rows that have the same time
_MIN_SPAN = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """How much a grouping or an order of rows explains of the target.

    Attributes:
        explained: Explained fraction of the target's variance: 1 is all of it, 0 is chance.
        z: ``explained`` in standard deviations of its distribution by chance.
    """

    explained: float
    z: float


def target_scores(schema: Schema) -> pl.DataFrame:
    """Score the target of the first MAX_ROWS rows: ranks of numbers, or a 0/1 column for each frequent class."""
    values = schema.target_values.head(MAX_ROWS)
    if values.dtype != pl.String:
        return pl.DataFrame({"rank": values.rank().cast(pl.Float64)})
    frequent = values.drop_nulls().rename("class").value_counts(name="rows").sort("rows", "class", descending=True)
    classes = frequent["class"].head(_MAX_CLASSES)
    return pl.DataFrame([(values == label).cast(pl.Float64).alias(str(n)) for n, label in enumerate(classes)])


def between_groups(scores: pl.DataFrame, groups: pl.Series) -> Signal:
    """Measure which fraction of the target's variance lies between groups of rows.

    The fraction is epsilon squared of a one-way analysis of variance (Kelley 1935), whose mean is 0 for random groups.
    Several scores are weighted by their variance.
    """
    frame = scores.with_columns(group=groups).drop_nulls()
    names, rows, count = scores.columns, frame.height, frame["group"].n_unique()
    if rows <= count or count < 2:
        return Signal(explained=0.0, z=0.0)
    within = frame.select(((pl.col(names) - pl.col(names).mean().over("group")) ** 2).sum()).sum_horizontal()[0]
    total = frame.select(((pl.col(names) - pl.col(names).mean()) ** 2).sum()).sum_horizontal()[0]
    if total < _MIN_SPAN:
        return Signal(explained=0.0, z=0.0)
    explained = 1 - (within / (rows - count)) / (total / (rows - 1))
    deviation = (count - 1) / (rows - 1) * math.sqrt(2 / (count - 1) + 2 / (rows - count))
    return Signal(explained=explained, z=explained / deviation)


def between_neighbors(scores: pl.DataFrame, order: pl.Series) -> Signal:
    """Measure how similar the targets of neighboring rows in ``order`` are, by the autocorrelation of lag 1.

    It is one minus half of von Neumann's ratio (1941), computed for ranks as in Bartels (1982). Rows that are equal in
    ``order`` are shuffled.
    """
    frame = scores.with_columns(order=order).drop_nulls().sample(fraction=1.0, shuffle=True, seed=_SEED).sort("order")
    names = scores.columns
    total = frame.select(((pl.col(names) - pl.col(names).mean()) ** 2).sum()).sum_horizontal()[0]
    if frame.height < 3 or total < _MIN_SPAN:
        return Signal(explained=0.0, z=0.0)
    steps = frame.select((pl.col(names).diff() ** 2).sum()).sum_horizontal()[0]
    explained = 1 - steps / (2 * total)
    return Signal(explained=explained, z=explained * math.sqrt(frame.height))
