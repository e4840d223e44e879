"""Warnings on the numbers of a model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import Drift, Segment
from pipeline.contracts.records.variant import Selection
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.number_format import format_number

__all__ = ["find_warnings", "shared_rows"]

_WIDE_INTERVAL = 0.1  # width of the interval, relative to the metric, from which the metric is called uncertain
_UNIT_METRICS = frozenset({"accuracy", "auc", "log_loss", "r2", "silhouette"})  # metrics with values of about 0 to 1


def find_warnings(
    evaluation: HoldoutEvaluation,
    dataset: Dataset,
    *,
    selection: Selection,
    drifts: Sequence[Drift],
    segments: Sequence[Segment],
) -> Iterator[str]:
    """Yield warnings on few rows, rare classes, optimistic validation metrics, drift, and segments of worse quality."""
    metric, quality = evaluation.metric, evaluation.quality[evaluation.metric]
    low, high = evaluation.bounds[metric]
    if high - low > _WIDE_INTERVAL * max(abs(quality), 1e-12):
        within = f"{_rounded(low, metric)} to {_rounded(high, metric)}"
        yield f"too few rows: {metric} is uncertain: {within} (95 %), measured on {evaluation.test.height:,} test rows"
    yield from _rare_classes(dataset)
    chosen_by = selection.winner.quality.get(metric)
    if chosen_by is not None and evaluation.sign * chosen_by > max(evaluation.sign * low, evaluation.sign * high):
        rows = "by cross-validation" if selection.by_folds else "on the validation rows"
        yield (
            f"{metric} {rows} ({format_number(chosen_by)}) is better than the test rows allow "
            f"({format_number(low)} to {format_number(high)}): choosing among many candidates, or drift, made it "
            "optimistic"
        )
    for drift in drifts:
        subject = "the target" if drift.column == dataset.target else f"column '{drift.column}'"
        subject = f"the target '{drift.column}'" if drift.column in dataset.targets else subject
        yield f"drift: {subject} differs in distribution in the {drift.split} rows (stability index {drift.index:.2f})"
    for segment in (segment for segment in segments if segment.worse):
        first, last = segment.interval
        yield (
            f"segment: where '{segment.column}' is {segment.value}, {metric} is {format_number(segment.quality)} "
            f"({format_number(first)} to {format_number(last)}, {segment.rows:,} rows); on all test rows it is "
            f"{format_number(quality)}"
        )


def _rounded(value: float, metric: str) -> str:
    """Format a metric with two decimals if its scale is about [0, 1], else with three significant digits."""
    return f"{value:.2f}" if metric in _UNIT_METRICS else format_number(value, 3)


def _rare_classes(dataset: Dataset) -> Iterator[str]:
    if dataset.rarest_class is None or not dataset.is_imbalanced:
        return
    label, fraction = dataset.rarest_class
    rows = dict(zip(dataset.classes, dataset.class_rows, strict=True))[label]
    better_metrics = "average precision, F1" if dataset.positive else "balanced accuracy, macro F1"
    total = sum(dataset.class_rows)
    yield (
        f"imbalance: class '{label}' has {rows:,} of {total:,} training rows ({fraction:.1%}): accuracy hardly shows "
        f"how well it is predicted; {better_metrics} and its recall do"
    )


def shared_rows(train: pl.DataFrame, other_splits: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """Yield warnings on rows of other splits that equal training rows in all columns, including the target."""
    columns = [name for name in train.columns if all(name in frame.columns for frame in other_splits.values())]
    train_hashes = train.select(columns).hash_rows().unique().implode()
    for name, frame in other_splits.items():
        shared = int(frame.select(columns).hash_rows().is_in(train_hashes).sum())
        if shared:
            yield (
                f"duplicates: {shared:,} of {frame.height:,} {name} rows repeat training rows in every column: "
                "quality measured there is partly memorization"
            )
