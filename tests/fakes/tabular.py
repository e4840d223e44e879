"""Small seeded tables with a rule to learn, with the types and splits of validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.signature import Task

__all__ = ["Table", "column_profile", "profiled", "table", "with_targets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    dataset: Dataset
    splits: dict[str, pl.DataFrame]

    @property
    def validation(self) -> pl.DataFrame:
        return self.splits["validation"]


def table(
    task: Task = "classification",
    *,
    classes: int = 2,
    rows: int = 600,
    numeric: bool = True,
    categorical: bool = True,
    seed: int = 0,
) -> Table:
    """Return a table: two numbers, one with missing values, a boolean, a category with missing values, and a
    category of two values that is independent of the target.
    """
    random = np.random.default_rng(seed)
    age = random.uniform(18, 90, rows)
    income = random.lognormal(10, 1, rows)
    city = random.choice(["Rome", "Oslo", "Lima", "Bern"], rows, p=[0.4, 0.3, 0.2, 0.1])
    works = random.random(rows) < 0.6
    score = (age - 50) / 20 + np.log(income / 22_000) + (city == "Oslo") * 1.5 + works + random.normal(0, 0.3, rows)
    columns: dict[str, pl.Series] = {}
    if numeric:
        columns["age"] = pl.Series(age, dtype=pl.Float32)
        columns["income"] = _with_gaps(pl.Series(income, dtype=pl.Float32), random)
        columns["works"] = pl.Series(works.astype(np.float32))
    if categorical:
        columns["city"] = _with_gaps(pl.Series(city, dtype=pl.String), random)
        columns["plan"] = pl.Series(random.choice(["free", "pro"], rows), dtype=pl.String)
    if task == "regression":
        columns["target"] = pl.Series(200_000 + 50_000 * score, dtype=pl.Float64)
    else:
        bounds = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
        columns["target"] = pl.Series([f"class {n}" for n in np.searchsorted(bounds, score)], dtype=pl.String)
    frame = pl.DataFrame(columns)
    cut = rows * 3 // 4
    return profiled({"train": frame[:cut], "validation": frame[cut:]}, task)


def profiled(
    splits: dict[str, pl.DataFrame],
    task: Task,
    target: str = "target",
    texts: Sequence[str] = (),
    wide: Sequence[str] = (),
) -> Table:
    """Return a table of these splits.

    Args:
        splits: The rows of each split; columns with only 0 and 1 become boolean.
        task: The task.
        target: Name of the target column.
        texts: Names of text columns.
        wide: Names of columns of numbers that float32 cannot represent.
    """
    train = splits["train"]
    labels = tuple(sorted(train[target].unique().to_list())) if task == "classification" else ()
    dataset = Dataset(
        task=task,
        target=target,
        columns=tuple(column_profile(train[name], texts, wide) for name in train.columns if name != target),
        classes=labels,
        class_rows=tuple(int((train[target] == label).sum()) for label in labels),
        rows=SplitRows(train=train.height, validation=splits["validation"].height, test=0),
        sha256="d" * 64,
    )
    return Table(dataset=dataset, splits=splits)


def column_profile(series: pl.Series, texts: Sequence[str] = (), wide: Sequence[str] = ()) -> ColumnProfile:
    seen = {"name": series.name, "missing": series.null_count(), "distinct": series.n_unique()}
    if series.name in texts:
        return ColumnProfile(**seen, kind="text")
    if series.name in wide:
        return ColumnProfile(**seen, kind="numeric", is_wide=True, median=float(series.median()))
    if series.dtype == pl.String:
        counts = series.drop_nulls().value_counts(sort=True)
        return ColumnProfile(**seen, kind="categorical", vocabulary=tuple(counts[series.name].to_list()))
    kind = "boolean" if set(series.drop_nulls().unique().to_list()) <= {0.0, 1.0} else "numeric"
    return ColumnProfile(**seen, kind=kind)


def _with_gaps(series: pl.Series, random: np.random.Generator) -> pl.Series:
    return series.set(pl.Series(random.random(len(series)) < 0.1), None)


def with_targets(task: Task, rows: int = 400) -> Table:
    """Return a table with two targets: that of ``table``, and one that the first column determines."""
    given = table("regression", rows=rows)
    splits = {}
    for name, frame in given.splits.items():
        both = frame.rename({"target": "price"}).with_columns(years=(90 - pl.col("age")).cast(pl.Float64))
        if task == "classification":
            both = both.with_columns(
                pl.when(pl.col(target) > limit).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(target)
                for target, limit in (("price", 200_000), ("years", 45))
            )
        splits[name] = both
    update: dict[str, Any] = {"task": task, "target": "price, years", "targets": ("price", "years")}
    if task == "classification":
        counts = tuple(int((splits["train"][name] == "yes").sum()) for name in ("price", "years"))
        update |= {"classes": ("price", "years"), "class_rows": counts, "separator": "|"}
    return Table(dataset=given.dataset.model_copy(update=update), splits=splits)
