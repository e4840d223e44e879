"""Quality by the values of a column: a model that is good in the mean may fail a part of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.findings import Importance, Segment
from pipeline.evaluation.answers import Answers
from pipeline.evaluation.exam import Exam
from pipeline.evaluation.metrics import interval, measure

__all__ = ["chosen_columns", "segments"]

_COLUMNS = 4  # that are chosen where nobody names any
_MOST_VALUES = 8  # of a column
_FEWEST_ROWS = 20  # of a segment: fewer say nothing
_BINS = 4
_MISSING = "(missing)"
_KINDS = ("categorical", "boolean", "numeric")


def chosen_columns(dataset: Dataset, named: Sequence[str], importances: Sequence[Importance]) -> list[str]:
    """Those that are ``named`` and can be told apart by; or the most important ones."""
    usable = {column.name for column in dataset.columns if column.kind in _KINDS}
    wanted = named or [one.column for one in importances]
    return [name for name in wanted if name in usable][: None if named else _COLUMNS]


def segments(exam: Exam, columns: Sequence[str]) -> tuple[Segment, ...]:
    """Of each column the most frequent values, or quarters of its numbers, that have 20 test rows at least."""
    found = []
    for name in columns:
        for value, inside in _parts(exam.test[name]):
            if inside.sum() < _FEWEST_ROWS:
                continue
            part = exam.signature, exam.truth[inside], _of(exam.answers, inside)
            bounds = interval(*part, only=exam.metric)[exam.metric]
            best = max(exam.sign * bound for bound in bounds)
            found.append(
                Segment(
                    column=name,
                    value=value,
                    rows=int(inside.sum()),
                    quality=measure(*part)[exam.metric],
                    interval=bounds,
                    worse=best < exam.sign * exam.quality[exam.metric],
                )
            )
    return tuple(found)


def _of(answers: Answers, inside: npt.NDArray[np.bool_]) -> Answers:
    def part(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array[inside] if len(array) else array

    return Answers(labels=part(answers.labels), probabilities=part(answers.probabilities), values=part(answers.values))


def _parts(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if column.dtype == pl.String:
        common = column.drop_nulls().value_counts(sort=True, name="rows")[column.name].head(_MOST_VALUES)
        yield from ((value, _mask(column == value)) for value in common)
    elif (distinct := column.drop_nulls().unique().sort()).len() <= _MOST_VALUES:
        yield from ((f"{value:g}", _mask(column == value)) for value in distinct)
    else:
        yield from _quarters(column)
    yield _MISSING, column.is_null().to_numpy()


def _quarters(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    known = column.drop_nulls().to_numpy().astype(np.float64)
    if not known.size:
        return
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)))
    for index, (low, high) in enumerate(pairwise(cuts)):
        last = index == len(cuts) - 2
        inside = (column >= low) & ((column <= high) if last else (column < high))
        yield f"{low:.4g} to {high:.4g}", _mask(inside)


def _mask(which: pl.Series) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = which.fill_null(value=False).to_numpy()
    return found
