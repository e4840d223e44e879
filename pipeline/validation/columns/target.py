"""The target: which column it is, what kind of task it makes, and which rows can be learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.signature import Task
from pipeline.validation.columns.names import nearest
from pipeline.validation.columns.type_inference import numbers_of, trimmed
from pipeline.validation.limits import LEAST_CLASS_ROWS, MOST_CLASSES, MOST_RARE_SHARE

__all__ = ["Target", "check_distinct", "read_target", "target_name", "trained_target", "without_rare_classes"]

_MOST_NUMBER_CLASSES = 20  # distinct whole numbers that are taken for labels when nobody says the task
_LEAST_NUMBER_ROWS = 5  # rows to each of them, in the mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """``values``: String for classification, Float64 for regression; null where a row has none.

    Of clustering they are zeros, under the name that a user's column cannot have: the empty one.
    """

    task: Task
    values: pl.Series

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted as text; empty for regression."""
        return tuple(self.values.drop_nulls().unique().sort()) if self.task == "classification" else ()


def target_name(names: Sequence[str], spec: JobSpec) -> str:
    """The target of ``spec``, or the last column; of clustering the empty name.

    Raise InvalidTargetError with the nearest name when there is none such, InvalidJobSpecError for one of clustering.
    """
    wanted = spec.target
    if spec.task == "clustering":
        if wanted is not None:
            raise InvalidJobSpecError(
                f"train.yaml: target: clustering has no target, and '{wanted}' is given: leave it out, or name it in "
                "drop when no model may read it"
            )
        return ""
    if wanted is None:
        return names[-1]
    if wanted not in names:
        raise InvalidTargetError(f"there is no target column '{wanted}': {nearest(wanted, names)}")
    return wanted


def read_target(column: pl.Series, task: Task | None, *, decimal_comma: bool = False) -> Target:
    """``task`` None: text and truth values, and few distinct whole numbers, are classes; other numbers are regression.

    Raise InvalidTargetError when there are no values, one value, too many classes, or values that do not fit ``task``.
    """
    if task == "clustering":
        return Target(task=task, values=column)
    name, values = column.name, trimmed(column)
    if values.null_count() == len(values):
        raise InvalidTargetError(f"the target '{name}' has no values: all {len(values):,} rows are missing it")
    numbers = _numbers(values, decimal_comma=decimal_comma)
    if numbers is not None and numbers.null_count() == len(numbers):
        raise InvalidTargetError(f"the target '{name}' has no finite numbers")
    if (task or _tell_task(numbers)) == "regression":
        target = Target(task="regression", values=_check_numbers(values, numbers))
    else:
        target = Target(task="classification", values=_labels(values, numbers))
    check_distinct(target)
    return target


def without_rare_classes(target: Target) -> Target:
    """The same with null for classes of too few rows; raise InvalidTargetError when these are more than a few."""
    if target.task != "classification":
        return target
    counts = target.values.rename("class").drop_nulls().value_counts(name="rows")
    rare = counts.filter(pl.col("rows") < LEAST_CLASS_ROWS)
    lost, rows = int(rare["rows"].sum()), int(counts["rows"].sum())
    left = counts.height - rare.height
    if lost > rows * MOST_RARE_SHARE or left < 2:
        raise InvalidTargetError(
            f"{rare.height:,} of the {counts.height:,} classes of the target '{target.values.name}' have fewer than "
            f"{LEAST_CLASS_ROWS} rows ({lost:,} of {rows:,} rows): two classes with that many are expected at least, "
            f"and {MOST_RARE_SHARE:.0%} of the rows at most in smaller ones{_meant_as_numbers(target.values)}"
        )
    kept = target.values.set(target.values.is_in(rare["class"].to_list()), None)
    return Target(task=target.task, values=kept)


def _meant_as_numbers(values: pl.Series) -> str:
    others = _others(values)
    return f"; were numbers meant?{others}" if others else ""


def trained_target(target: Target, train: pl.Series) -> Target:
    """``target`` as the training rows have it; raise InvalidTargetError when these have one value alone."""
    if target.task != "clustering" and train.n_unique() < 2:
        raise InvalidTargetError(
            f"the target '{train.name}' is constant in the training rows: at least two different values are expected "
            "there; another split may have them"
        )
    return Target(task=target.task, values=train)


def _numbers(values: pl.Series, *, decimal_comma: bool) -> pl.Series | None:
    """Float64, or None when they are no numbers."""
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64)
        return numbers.set(~numbers.is_finite(), None)
    if values.dtype == pl.String:
        return numbers_of(values, decimal_comma=decimal_comma)
    if values.dtype == pl.Boolean:
        return None
    raise InvalidTargetError(
        f"the target '{values.name}' holds {values.dtype.base_type().__name__} values: text, numbers or true and false "
        "are expected"
    )


def _tell_task(numbers: pl.Series | None) -> Task:
    if numbers is None:
        return "classification"
    known = numbers.drop_nulls()
    distinct = known.n_unique()
    few = distinct <= _MOST_NUMBER_CLASSES and len(known) >= distinct * _LEAST_NUMBER_ROWS
    return "classification" if few and _whole(known) else "regression"


def _check_numbers(values: pl.Series, numbers: pl.Series | None) -> pl.Series:
    if numbers is None:
        raise InvalidTargetError(
            f"task regression: the target '{values.name}' does not hold numbers{_others(values)}; numbers are "
            "expected, or task classification"
        )
    return numbers


def _others(values: pl.Series) -> str:
    """What, among numbers, is none: in words; nothing where few or all are numbers."""
    if values.dtype != pl.String:
        return ""
    known = values.drop_nulls()
    others = known.filter(known.cast(pl.Float64, strict=False).is_null())
    if not 0 < len(others) <= len(known) // 2:
        return ""
    return f" ({len(others):,} of its {len(known):,} values are none, '{others[0][:40]}' is the first)"


def _labels(values: pl.Series, numbers: pl.Series | None) -> pl.Series:
    """As they are written in the file; 1 and 1.0 are one class."""
    if numbers is None:
        return values.cast(pl.String)
    known = numbers.drop_nulls()
    if not _whole(known):
        raise InvalidTargetError(
            f"task classification: the target '{values.name}' holds numbers with fractions; text or whole numbers are "
            "expected, or task regression"
        )
    spelt = numbers.cast(pl.Int64).cast(pl.String)
    if values.dtype != pl.String:
        return spelt
    if values.filter(numbers.is_not_null()).n_unique() == known.n_unique():
        return values
    return spelt.zip_with(numbers.is_not_null(), values)


def check_distinct(target: Target) -> None:
    name, distinct = target.values.name, target.values.drop_nulls().n_unique()
    if distinct < 2:
        raise InvalidTargetError(f"the target '{name}' is constant: at least two different values are expected")
    if target.task == "classification" and distinct > MOST_CLASSES:
        raise InvalidTargetError(f"the target '{name}' has {distinct:,} classes: at most {MOST_CLASSES:,} are expected")


def _whole(known: pl.Series) -> bool:
    return (known == known.floor()).all() and known.abs().le(2**53).all()
