"""What a reader of the card should know before believing its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import Drift, Segment
from pipeline.contracts.records.variant import Selection
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.number_format import format_number

__all__ = ["find_warnings", "shared_rows"]

_WIDE_INTERVAL = 0.1  # of the metric: the width of an interval beyond which its quality is rough
_SHARES = frozenset({"accuracy", "auc", "log_loss", "r2", "silhouette"})  # on a scale of about 1


def find_warnings(
    exam: HoldoutEvaluation,
    dataset: Dataset,
    *,
    selection: Selection,
    drifts: Sequence[Drift],
    parts: Sequence[Segment],
) -> Iterator[str]:
    """Few rows, rare classes, luck where the choice was made, drift, and segments that the model is worse on."""
    metric, quality = exam.metric, exam.quality[exam.metric]
    low, high = exam.bounds[metric]
    if high - low > _WIDE_INTERVAL * max(abs(quality), 1e-12):
        within = f"{_rounded(low, metric)} to {_rounded(high, metric)}"
        yield f"too few rows: {metric} is uncertain: {within} (95 %), measured on {exam.test.height:,} test rows"
    yield from _rare_classes(dataset)
    chosen_by = selection.winner.quality.get(metric)
    if chosen_by is not None and exam.sign * chosen_by > max(exam.sign * low, exam.sign * high):
        rows = "by cross-validation" if selection.by_folds else "on the validation rows"
        yield (
            f"{metric} {rows} ({format_number(chosen_by)}) is better than the test rows allow "
            f"({format_number(low)} to {format_number(high)}): choosing among many candidates, or drift, made it "
            "optimistic"
        )
    for one in drifts:
        what = "the target" if one.column == dataset.target else f"column '{one.column}'"
        what = f"the target '{one.column}'" if one.column in dataset.targets else what
        yield f"drift: {what} has another distribution in the {one.split} rows (stability index {one.index:.2f})"
    for part in (part for part in parts if part.worse):
        first, last = part.interval
        yield (
            f"segment: where '{part.column}' is {part.value}, {metric} is {format_number(part.quality)} "
            f"({format_number(first)} to {format_number(last)}, {part.rows:,} rows); on all test rows it is "
            f"{format_number(quality)}"
        )


def _rounded(value: float, metric: str) -> str:
    """Two decimals for a metric that is a share, else three figures."""
    return f"{value:.2f}" if metric in _SHARES else format_number(value, 3)


def _rare_classes(dataset: Dataset) -> Iterator[str]:
    if dataset.rarest_class is None or not dataset.is_imbalanced:
        return
    label, share = dataset.rarest_class
    rows = dict(zip(dataset.classes, dataset.class_rows, strict=True))[label]
    telling = "average precision, F1" if dataset.positive else "balanced accuracy, macro F1"
    yield (
        f"imbalance: class '{label}' has {rows:,} of {sum(dataset.class_rows):,} training rows ({share:.1%}): accuracy "
        f"hardly shows how well it is told; {telling} and its recall do"
    )


def shared_rows(train: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    """Rows of the other splits that training rows repeat in all columns, the target too."""
    columns = [name for name in train.columns if all(name in frame.columns for frame in others.values())]
    known = train.select(columns).hash_rows().unique().implode()
    for name, frame in others.items():
        shared = int(frame.select(columns).hash_rows().is_in(known).sum())
        if shared:
            yield (
                f"duplicates: {shared:,} of {frame.height:,} {name} rows repeat training rows in every column: "
                "quality measured there is partly memorization"
            )
