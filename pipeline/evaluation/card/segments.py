"""Quality by segment (the rows with one value of a column): a model that is good on average may fail on a segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import PermutationImportance, Segment
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.number_format import format_number

__all__ = ["choose_columns", "segments"]

_MAX_COLUMNS = 4  # number of columns if the job spec names none
_MAX_VALUES = 8  # maximum number of values of a column
_MIN_ROWS = 20  # minimum rows of a segment: fewer are too uncertain
_BINS = 4
_MAX_DIGITS = 17  # significant digits of a float64
_MIN_DIFFERENCE = 0.05  # relative to the metric: a smaller difference is not reported, even if it is certain
_MAX_ROWS = 20_000  # maximum rows of a segment to measure: its interval is then narrow enough
_MISSING = "(missing)"
_KINDS = ("categorical", "boolean", "numeric")


def choose_columns(dataset: Dataset, named: Sequence[str], importances: Sequence[PermutationImportance]) -> list[str]:
    """Return the named columns that can be split into segments; if none are named, the most important columns."""
    usable = {column.name for column in dataset.columns if column.kind in _KINDS}
    names = named or [importance.column for importance in importances]
    return [name for name in names if name in usable][: None if named else _MAX_COLUMNS]


def segments(evaluation: HoldoutEvaluation, columns: Sequence[str]) -> tuple[Segment, ...]:
    """Measure segments of at least 20 test rows: the most frequent values of a column, or quartiles of its numbers."""
    reports = []
    for name in columns:
        for value, in_segment in _split_by_value(evaluation.test[name]):
            count = int(in_segment.sum())
            if count < _MIN_ROWS:
                continue
            chosen = _sample_rows(in_segment)
            predicted = evaluation.signature, evaluation.truth[chosen], evaluation.predictions.take(chosen)
            weight, overall = evaluation.weight_of(chosen), evaluation.quality[evaluation.metric]
            bounds = interval(*predicted, weight=weight, only=evaluation.metric)[evaluation.metric]
            quality = measure(*predicted, weight=weight, only=evaluation.metric)[evaluation.metric]
            best = max(evaluation.sign * bound for bound in bounds)
            reports.append(
                Segment(
                    column=name,
                    value=value,
                    rows=count,
                    quality=quality,
                    interval=bounds,
                    worse=best < evaluation.sign * overall and abs(quality - overall) > _MIN_DIFFERENCE * abs(overall),
                )
            )
    return tuple(reports)


def _sample_rows(in_segment: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the rows of a segment, or a seeded sample of them."""
    rows = np.flatnonzero(in_segment)
    return rows if len(rows) <= _MAX_ROWS else np.random.default_rng(0).choice(rows, _MAX_ROWS, replace=False)


def _split_by_value(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if column.dtype == pl.String:
        common = column.drop_nulls().value_counts(sort=True, name="rows")[column.name].head(_MAX_VALUES)
        yield from ((value, _mask(column == value)) for value in common)
    elif (distinct := column.drop_nulls().unique().sort()).len() <= _MAX_VALUES:
        texts = _format_distinct(distinct.to_list(), digits=6)
        yield from ((text, _mask(column == value)) for text, value in zip(texts, distinct, strict=True))
    else:
        yield from _quartiles(column)
    yield _MISSING, column.is_null().to_numpy()


def _quartiles(column: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    present = column.drop_nulls().to_numpy().astype(np.float64)
    if not present.size:
        return
    cuts = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)))
    texts = _format_distinct(cuts.tolist(), digits=4)
    for index, (low, high) in enumerate(pairwise(cuts)):
        last = index == len(cuts) - 2
        in_quartile = (column >= low) & ((column <= high) if last else (column < high))
        yield f"{texts[index]} to {texts[index + 1]}", _mask(in_quartile)


def _format_distinct(values: Sequence[float], *, digits: int) -> list[str]:
    """Format numbers with ``digits`` significant digits, or with as many more as distinguish them."""
    texts: list[str] = []
    for count in range(digits, _MAX_DIGITS + 1):
        texts = [format_number(value, count) for value in values]
        if len(set(texts)) == len(values):
            break
    return texts


def _mask(condition: pl.Series) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = condition.fill_null(value=False).to_numpy()
    return mask
