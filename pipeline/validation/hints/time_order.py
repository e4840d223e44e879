"""Find a column of times if the target depends on the time and the split does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import polars as pl

from pipeline.validation.hints.column_words import name_words, yaml_name
from pipeline.validation.hints.target_signal import MAX_ROWS, Signal, between_neighbors, target_scores
from pipeline.validation.schema import Schema

__all__ = ["hint_time_order"]

_BIRTH = frozenset({"birth", "birthday", "birthdate", "born", "dob"})  # ages, not times
_CLOCKS = frozenset({"time", "timestamp", "epoch", "date", "datetime", "year", "day", "week", "month"})
_MAX_TIMES = 20  # maximum columns that are checked
_MIN_TIMES = 10  # distinct values of a column
_MIN_ORDERED = 0.99  # minimum fraction of rows that are not earlier (or: not later) than the previous row
_FIRST_MOMENT = 2 * 86_400  # seconds since 1970: earlier values are times of day without a date
_MIN_Z, _MIN_FRACTION = 5.0, 0.15  # minimum z-score and explained fraction for a table in any order
_MIN_Z_ORDERED = 3.0  # minimum z-score for a table that is ordered by time


class _Candidate(NamedTuple):
    is_ordered: bool
    signal: Signal
    name: str


def hint_time_order(schema: Schema) -> Iterator[str]:
    """Yield a hint for the time column by which test rows of a random split have neighbors in the training rows."""
    if schema.spec.split.by != "random":
        return
    scores = target_scores(schema)
    candidates = [
        _Candidate(_is_ordered(times), between_neighbors(scores, times), times.name)
        for times in islice(_times(schema), _MAX_TIMES)
    ]
    significant = [candidate for candidate in candidates if _is_significant(candidate)]
    if not significant:
        return
    best = max(significant, key=lambda candidate: (candidate.is_ordered, candidate.signal.explained))
    yield (
        f"column '{best.name}' is a time, and rows that are close in time have similar targets: rows are split at "
        "random, so test rows have neighbors among the training rows. To predict later rows from earlier ones, add "
        f"`split: {{by: time, column: {yaml_name(best.name)}}}` to train.yaml"
    )


def _times(schema: Schema) -> Iterator[pl.Series]:
    """Yield the sampled values of time columns: dates, and numbers with a time's name that are ordered."""
    for column in schema.columns:
        words, values = name_words(column.name), column.values.head(MAX_ROWS)
        if words & _BIRTH or values.n_unique() < _MIN_TIMES:
            continue
        is_date = column.column.kind == "datetime" and bool((values > _FIRST_MOMENT).any())
        is_clock = column.column.kind == "numeric" and bool(words & _CLOCKS) and _is_ordered(values)
        if is_date or is_clock:
            yield values


def _is_significant(candidate: _Candidate) -> bool:
    signal = candidate.signal
    if candidate.is_ordered:
        return signal.z >= _MIN_Z_ORDERED
    return signal.z >= _MIN_Z and signal.explained >= _MIN_FRACTION


def _is_ordered(times: pl.Series) -> bool:
    steps = times.drop_nulls().diff().drop_nulls()
    ordered_steps = max(int((steps >= 0).sum()), int((steps <= 0).sum()))
    return len(steps) > 0 and ordered_steps >= _MIN_ORDERED * len(steps)
