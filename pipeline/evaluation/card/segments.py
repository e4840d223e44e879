"""Quality by the values of a column: a model that is good in the mean may fail a part of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import PermutationImportance, Segment
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.number_format import format_number
from pipeline.evaluation.predictions import Answers

__all__ = ["chosen_columns", "segments"]

_COLUMNS = 4  # that are chosen where nobody names any
_MOST_VALUES = 8  # of a column
_FEWEST_ROWS = 20  # of a segment: fewer say nothing
_BINS = 4
_MOST_DIGITS = 17  # that a float64 has
_WORSE = 0.05  # of the metric: less is of no use to anybody, however sure it is
_MOST_ROWS = 20_000  # of a segment that it is measured by: its interval is narrow enough then
_MISSING = "(missing)"
_KINDS = ("categorical", "boolean", "numeric")


def chosen_columns(dataset: Dataset, named: Sequence[str], importances: Sequence[PermutationImportance]) -> list[str]:
    """Those that are ``named`` and can be told apart by; or the most important ones."""
    usable = {column.name for column in dataset.columns if column.kind in _KINDS}
    wanted = named or [one.column for one in importances]
    return [name for name in wanted if name in usable][: None if named else _COLUMNS]


def segments(exam: HoldoutEvaluation, columns: Sequence[str]) -> tuple[Segment, ...]:
    """Of each column the most frequent values, or quarters of its numbers, that have 20 test rows at least."""
    found = []
    for name in columns:
        for value, inside in _parts(exam.test[name]):
            count = int(inside.sum())
            if count < _FEWEST_ROWS:
                continue
            chosen = _chosen(inside)
            part = exam.signature, exam.truth[chosen], _of(exam.answers, chosen)
            weight, whole = exam.weight_of(chosen), exam.quality[exam.metric]
            bounds = interval(*part, weight=weight, only=exam.metric)[exam.metric]
            quality = measure(*part, weight=weight, only=exam.metric)[exam.metric]
            best = max(exam.sign * bound for bound in bounds)
            found.append(
                Segment(
                    column=name,
                    value=value,
                    rows=count,
                    quality=quality,
                    interval=bounds,
                    worse=best < exam.sign * whole and abs(quality - whole) > _WORSE * abs(whole),
                )
            )
    return tuple(found)


def _chosen(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The rows of a segment, or a seeded sample of them."""
    rows = np.flatnonzero(inside)
    return rows if len(rows) <= _MOST_ROWS else np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False)


def _of(answers: Answers, rows: npt.NDArray[np.int64]) -> Answers:
    def part(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array[rows] if len(array) else array

    return Answers(labels=part(answers.labels), probabilities=part(answers.probabilities), values=part(answers.values))


def _parts(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if column.dtype == pl.String:
        common = column.drop_nulls().value_counts(sort=True, name="rows")[column.name].head(_MOST_VALUES)
        yield from ((value, _mask(column == value)) for value in common)
    elif (distinct := column.drop_nulls().unique().sort()).len() <= _MOST_VALUES:
        texts = _spell(distinct.to_list(), digits=6)
        yield from ((text, _mask(column == value)) for text, value in zip(texts, distinct, strict=True))
    else:
        yield from _quartiles(column)
    yield _MISSING, column.is_null().to_numpy()


def _quartiles(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    known = column.drop_nulls().to_numpy().astype(np.float64)
    if not known.size:
        return
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)))
    texts = _spell(cuts.tolist(), digits=4)
    for index, (low, high) in enumerate(pairwise(cuts)):
        last = index == len(cuts) - 2
        inside = (column >= low) & ((column <= high) if last else (column < high))
        yield f"{texts[index]} to {texts[index + 1]}", _mask(inside)


def _spell(values: Sequence[float], *, digits: int) -> list[str]:
    """The numbers in ``digits`` figures, or as many more as tell them apart."""
    texts: list[str] = []
    for count in range(digits, _MOST_DIGITS + 1):
        texts = [format_number(value, count) for value in values]
        if len(set(texts)) == len(values):
            break
    return texts


def _mask(which: pl.Series) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = which.fill_null(value=False).to_numpy()
    return found
