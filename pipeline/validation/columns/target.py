"""The target: its column, the task that its values imply, and the rule by which its cells are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.signature import Column, Task
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import task_of_metric
from pipeline.parsing.missing import MISSING, choose_markers
from pipeline.parsing.numbers import PLAIN, NumberFormat
from pipeline.validation.columns.casting import as_numbers, as_text
from pipeline.validation.columns.cells import count_markers, strip_cells
from pipeline.validation.columns.inferred import DecimalHint
from pipeline.validation.columns.names import suggest
from pipeline.validation.columns.numbers.fitting import as_finite
from pipeline.validation.columns.numbers.inference import infer_numbers
from pipeline.validation.limits import MAX_CLASSES, MAX_CLASSES_BYTES
from pipeline.validation.words import counted

__all__ = [
    "Target",
    "TargetRule",
    "check_distinct",
    "describe_others",
    "infer_target",
    "target_name",
]

_MAX_NUMBER_CLASSES = 10  # maximum distinct integers that are labels if no task is set
_MIN_NUMBER_ROWS = 5  # minimum mean of rows per such label
_MAX_WARNED_NUMBERS = 100  # maximum distinct integers for which a warning names the other task
_MIN_MARKER_CLASS = 0.05  # minimum fraction of rows with a missing marker for it to be a class
_LARGEST = 3.4e38  # largest number in float32
_EXACT_FLOAT64 = 2**53
_INTEGER_LABEL = r"^(?:0|-?[1-9][0-9]*)$"  # integers in the form that str() writes


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetRule:
    """Rule by which cells of the target are read. ``has_integer_labels``: 1.0 is read as the label 1."""

    name: str
    task: Task
    missing: frozenset[str] = MISSING
    number_format: NumberFormat = PLAIN
    has_integer_labels: bool = False

    def cast(self, raw: pl.Series) -> pl.Series:
        """Cast the target: String for classification, Float64 for regression; null if there is no value."""
        cells = strip_cells(raw, self.missing)
        if self.task == "regression":
            return self._numbers(cells)
        text = as_text(cells)
        if not self.has_integer_labels:
            return text
        numbers = self._numbers(cells)
        integers = numbers.set(numbers != numbers.floor(), None).cast(pl.Int64, strict=False).cast(pl.String)
        return text.zip_with(integers.is_null(), integers)

    def _numbers(self, cells: pl.Series) -> pl.Series:
        column = Column(name=self.name, kind="numeric", number_format=self.number_format)
        return as_numbers(cells, column, self.missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The target of the sampled rows.

    ``values``: String for classification, Float64 for regression, null for a row without a value; zeros for clustering,
    under the empty name, which no column of a user has. ``markers``: text -> number of cells that were read as missing.
    """

    rule: TargetRule
    values: pl.Series
    markers: Counter[str]
    warnings: Sequence[str] = ()

    @property
    def task(self) -> Task:
        """Return the task that the target implies."""
        return self.rule.task


def target_name(names: Sequence[str], spec: JobSpec, unnamed: Set[str] = frozenset()) -> str:
    """Return the target's name: the spec's, or the last named column; empty for clustering.

    Raises:
        InvalidTargetError: There is no such column; the message has the most similar name.
        InvalidJobSpecError: The spec names a target for clustering, which has none.
    """
    target = spec.target
    if spec.task == "clustering":
        if target is not None:
            raise InvalidJobSpecError(
                f"train.yaml: target: clustering has no target, and '{target}' is given: leave it out, or name it in "
                "drop when no model may read it"
            )
        return ""
    if target is None:
        return next((name for name in reversed(names) if name not in unnamed), names[-1])
    if target not in names:
        raise InvalidTargetError(f"there is no target column '{target}': {suggest(target, names)}")
    return target


def infer_target(raw: pl.Series, spec: JobSpec, *, task: Task | None = None, decimal_hint: DecimalHint = "") -> Target:
    """Infer the task and the format of the target.

    If neither a task nor a metric determines the task, text, truth values, and up to ten distinct whole numbers that
    repeat are classes; other numbers are a regression.

    Args:
        raw: Cells as a reader returned them.
        spec: Job spec with the task, the metric and the markers of a missing value.
        task: Task that the file's format implies; None: it implies none.
        decimal_hint: Decimal mark of the file's other columns.

    Raises:
        InvalidTargetError: There are no values, one value, too many classes, or values that do not fit the task.
    """
    task = spec.task or task_of_metric(spec.metric) or task
    name, missing = raw.name, choose_markers(spec.missing)
    if task == "clustering":
        return Target(rule=TargetRule(name=name, task=task), values=raw, markers=Counter())
    cells = strip_cells(raw, missing)
    numbers, number_format, format_warnings = _infer_numbers(cells, decimal_hint)
    if numbers is None and task != "regression" and spec.missing is None and _are_classes(raw, cells, missing):
        missing = frozenset({""})
        cells = strip_cells(raw, missing)
    if cells.null_count() == len(cells):
        raise InvalidTargetError(f"the target '{name}' has no values: all {len(cells):,} rows are missing it")
    rule = TargetRule(name=name, task=task or _infer_task(numbers), missing=missing, number_format=number_format)
    if rule.task == "regression":
        values = _check_numbers(cells, numbers)
        _check_logarithms(spec.metric, values)
    else:
        values = _labels(cells, numbers)
        rule = replace(rule, has_integer_labels=bool(values.drop_nulls().str.contains(_INTEGER_LABEL).all()))
    target = Target(
        rule=rule,
        values=values,
        markers=Counter() if cells is raw else count_markers(raw, missing),
        warnings=(*format_warnings, *_warn_task(rule, numbers, is_explicit=task is not None)),
    )
    check_distinct(name, rule.task, values)
    return target


def _check_logarithms(metric: str | None, values: pl.Series) -> None:
    """Raise InvalidTargetError if ``metric: rmsle`` is set and a value is -1 or less."""
    if metric == "rmsle" and len(below := values.filter(values <= -1)):
        raise InvalidTargetError(
            f"the target '{values.name}' has {len(below):,} values of -1 or less, for which metric: rmsle is not "
            "defined: values above -1 are expected, or another metric such as rmse or mae"
        )


def check_distinct(name: str, task: Task, values: pl.Series) -> None:
    """Check the number of distinct values of a target.

    Raises:
        InvalidTargetError: The target is constant, or has more than MAX_CLASSES classes or too long labels.
    """
    distinct = values.drop_nulls().n_unique()
    if distinct < 2:
        raise InvalidTargetError(f"the target '{name}' is constant: at least two different values are expected")
    if task == "classification" and distinct > MAX_CLASSES:
        raise InvalidTargetError(
            f"the target '{name}' has {distinct:,} classes: at most {MAX_CLASSES:,} are expected; --target (or target "
            "in train.yaml) chooses another column"
        )
    if task == "classification":
        size = sum(len(json.dumps(str(label))) for label in values.drop_nulls().unique())
        if size > MAX_CLASSES_BYTES:
            raise InvalidTargetError(
                f"the {distinct:,} classes of the target '{name}' have {size:,} bytes in total: at most "
                f"{MAX_CLASSES_BYTES:,} are expected, since each prediction names them"
            )


def _infer_numbers(cells: pl.Series, decimal_hint: DecimalHint) -> tuple[pl.Series | None, NumberFormat, Sequence[str]]:
    """Return the numbers as Float64, or None if the cells are not numbers; their format; and warnings."""
    if cells.dtype.is_numeric():
        numbers = as_finite(cells.cast(pl.Float64))
    elif cells.dtype == pl.String:
        inferred = infer_numbers(cells, decimal_hint=decimal_hint)
        if inferred is None:
            return None, PLAIN, ()
        return as_finite(inferred.numbers), inferred.number_format, inferred.warnings
    elif cells.dtype in (pl.Boolean, pl.Null):
        return None, PLAIN, ()
    else:
        raise InvalidTargetError(
            f"the target '{cells.name}' holds {cells.dtype.base_type().__name__} values: text, numbers or true and "
            "false are expected"
        )
    if len(numbers) and numbers.null_count() == len(numbers):
        raise InvalidTargetError(f"the target '{cells.name}' has no finite numbers")
    return numbers, PLAIN, ()


def _are_classes(raw: pl.Series, cells: pl.Series, missing: Set[str]) -> bool:
    """Return whether missing markers such as None are frequent enough to be a class."""
    if cells is raw:  # nothing was read as missing
        return False
    markers = sum(count_markers(raw, missing).values())
    return cells.null_count() < len(cells) and markers > _MIN_MARKER_CLASS * len(raw)


def _infer_task(numbers: pl.Series | None) -> Task:
    if numbers is None:
        return "classification"
    values = numbers.drop_nulls()
    distinct = values.n_unique()
    few = distinct <= _MAX_NUMBER_CLASSES and len(values) >= distinct * _MIN_NUMBER_ROWS
    return "classification" if few and _are_integers(values) else "regression"


def _warn_task(rule: TargetRule, numbers: pl.Series | None, *, is_explicit: bool) -> Sequence[str]:
    if is_explicit or numbers is None or not _are_integers(values := numbers.drop_nulls()):
        return ()
    distinct = values.n_unique()
    if not 2 < distinct <= _MAX_WARNED_NUMBERS:
        return ()
    described = f"the target '{rule.name}' has {distinct} distinct whole numbers"
    if rule.task == "regression":
        return (f"{described}: learned as regression; `task: classification` in train.yaml makes classes of them",)
    grades = values.unique().sort()
    return (
        f"{described} ({grades[0]:.0f} to {grades[-1]:.0f}): learned as classification, which ignores their order and "
        "rejects rows of rare ones; if they are counts or grades, `task: regression` in train.yaml keeps the order",
    )


def _check_numbers(cells: pl.Series, numbers: pl.Series | None) -> pl.Series:
    if numbers is None:
        raise InvalidTargetError(
            f"task regression: the target '{cells.name}' does not hold numbers{describe_others(cells)}; numbers are "
            "expected, or task classification"
        )
    beyond = int((numbers.abs() > _LARGEST).sum())
    if beyond:
        raise InvalidTargetError(
            f"the target '{cells.name}' has {counted(beyond, 'value')} beyond ±3.4e38, which float32 cannot hold: a "
            "smaller unit, or its logarithm, is expected"
        )
    return numbers


def describe_others(values: pl.Series, rows: pl.Series | None = None) -> str:
    """Describe the values that are not numbers; empty if fewer than half or all of the values are numbers.

    Args:
        values: Texts, possibly repeated.
        rows: Number of rows with each text; by default 1.
    """
    if values.dtype != pl.String:
        return ""
    rows = pl.Series([1]).new_from_index(0, len(values)) if rows is None else rows
    present, is_other = values.is_not_null(), values.is_not_null() & values.cast(pl.Float64, strict=False).is_null()
    other_rows, present_rows = int(rows.filter(is_other).sum()), int(rows.filter(present).sum())
    if not 0 < other_rows <= present_rows // 2:
        return ""
    counts = pl.DataFrame({"value": values.filter(is_other), "rows": rows.filter(is_other)})
    frequent = counts.group_by("value").agg(pl.col("rows").sum()).sort("rows", "value", descending=[True, False])
    return f" ({other_rows:,} of its {present_rows:,} values are not, such as '{frequent['value'][0][:40]}')"


def _labels(cells: pl.Series, numbers: pl.Series | None) -> pl.Series:
    """Return the labels in the file's spelling, except that 1 and 1.0 are one class."""
    if numbers is None:
        return as_text(cells)
    values = numbers.drop_nulls()
    if not _are_integers(values):
        raise InvalidTargetError(
            f"task classification: the target '{cells.name}' holds numbers with fractions; text or whole numbers are "
            "expected, or task regression"
        )
    integers = numbers.cast(pl.Int64).cast(pl.String)
    if cells.dtype != pl.String:
        return integers
    if cells.filter(numbers.is_not_null()).n_unique() == values.n_unique():
        return cells
    return integers.zip_with(numbers.is_not_null(), cells)


def _are_integers(values: pl.Series) -> bool:
    return bool((values == values.floor()).all() and values.abs().le(_EXACT_FLOAT64).all())
