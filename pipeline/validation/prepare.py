"""A table -> a Dataset: the target, typed columns, splits, statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, Dataset, LeftOut, SplitRows
from pipeline.contracts.errors import InvalidColumnsError, TooFewRowsError
from pipeline.contracts.job_spec import JobSpec
from pipeline.validation.kinds import Typed, tell_kind, trimmed
from pipeline.validation.limits import LEAST_CLASS_ROWS, LEAST_ROWS, MOST_VOCABULARY
from pipeline.validation.profile import profile_column
from pipeline.validation.set_aside import SetAside
from pipeline.validation.spec import check_drop
from pipeline.validation.splits import SPLITS, assign_splits, group_copies
from pipeline.validation.table import Table
from pipeline.validation.target import Target, read_target, target_name, without_rare_classes
from pipeline.validation.words import counted

__all__ = ["Prepared", "prepare"]

_MOST_WARNINGS = 50
_FEW_ROWS = 300
_NAMED = 5  # columns that a message names


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A Dataset, its rows by split (contracts.dataset says of which types), and the spec as it was understood."""

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    spec: JobSpec


def prepare(table: Table, spec: JobSpec, aside: SetAside, *, sha256: str) -> Prepared:
    """Type, split and profile the rows. Raise DatasetError kin, or InvalidJobSpecError for ``spec.drop``."""
    raw = table.frame
    name = target_name(raw.columns, spec.target)
    check_drop(spec, raw.columns, name)
    _check_rows(raw.height, aside)
    target, usable = _usable(raw[name], table, spec, aside)
    typed, left_out = _type_columns(raw.drop(name).filter(usable), spec.drop, decimal_comma=table.decimal_comma)
    rows = pl.DataFrame([*(one.values for one in typed), target.values])
    groups, copied = group_copies(rows)
    assigned = assign_splits(target.values, groups, spec.split, spec.seed)
    train = rows.filter(assigned == "train")
    profiles, untold = _profile(typed, train)
    _check_usable(profiles, left_out := [*left_out, *untold], target.values.name)
    columns = [*(profile.name for profile in profiles), name]
    dataset = Dataset(
        task=target.task,
        target=name,
        columns=tuple(profiles),
        left_out=tuple(left_out),
        classes=target.classes,
        class_rows=_class_rows(train[name], target.classes),
        rows=SplitRows(**{split: int((assigned == split).sum()) for split in SPLITS}),
        set_aside=aside.rows,
        warnings=_capped([*aside.warnings, *_told(typed, profiles), *copied, *_few(target)]),
        sha256=sha256,
    )
    splits = {split: rows.filter(assigned == split).select(columns) for split in SPLITS}
    return Prepared(dataset=dataset, splits=splits, spec=spec.model_copy(update={"target": name, "task": target.task}))


def _check_rows(rows: int, aside: SetAside) -> None:
    if rows < LEAST_ROWS:
        without = f" ({aside.rows:,} more are set aside)" if aside.rows else ""
        raise TooFewRowsError(
            f"the file has {counted(rows, 'row')} to learn from{without}: at least {LEAST_ROWS} are expected, so that "
            "some choose between models and some test the one that is chosen"
        )


def _usable(column: pl.Series, table: Table, spec: JobSpec, aside: SetAside) -> tuple[Target, pl.Series]:
    """The target of the rows that can be learnt from, and which of all rows these are; the others are set aside."""
    told = read_target(column, spec.task, decimal_comma=table.decimal_comma)
    target = without_rare_classes(told)
    without = told.values.is_null()
    usable = target.values.is_not_null()
    aside.add_dropped(without, f"no value in the target '{column.name}' that can be learnt")
    aside.add_dropped(~usable & ~without, f"a class of the target with fewer than {LEAST_CLASS_ROWS} rows")
    _check_rows(int(usable.sum()), aside)
    return Target(task=target.task, values=target.values.filter(usable)), usable


def _type_columns(
    features: pl.DataFrame, drop: Sequence[str], *, decimal_comma: bool
) -> tuple[list[Typed], list[LeftOut]]:
    left_out = [LeftOut(name=name, reason="dropped by train.yaml") for name in drop]
    typed = []
    for column in features.drop(drop):
        kind = tell_kind(trimmed(column), decimal_comma=decimal_comma)
        if isinstance(kind, Typed):
            typed.append(kind)
        else:
            left_out.append(kind)
    return typed, left_out


def _profile(typed: Sequence[Typed], train: pl.DataFrame) -> tuple[list[ColumnProfile], list[LeftOut]]:
    found = [profile_column(one, train[one.values.name]) for one in typed]
    return [one for one in found if isinstance(one, ColumnProfile)], [one for one in found if isinstance(one, LeftOut)]


def _check_usable(profiles: Sequence[ColumnProfile], left_out: Sequence[LeftOut], target: str) -> None:
    if not profiles:
        reasons = "; ".join(f"'{one.name}': {one.reason}" for one in left_out[:_NAMED])
        more = "; ..." if len(left_out) > _NAMED else ""
        raise InvalidColumnsError(
            f"no column can be used to predict '{target}' ({reasons}{more}): at least one of numbers, categories or "
            "truth values is expected"
        )


def _class_rows(train: pl.Series, classes: Sequence[str]) -> tuple[int, ...]:
    counts = train.rename("class").value_counts(name="rows")
    rows = dict(zip(counts["class"], counts["rows"], strict=True))
    return tuple(rows[one] for one in classes)


def _told(typed: Sequence[Typed], profiles: Sequence[ColumnProfile]) -> list[str]:
    warnings = [warning for one in typed for warning in one.warnings]
    for profile in profiles:
        if profile.kind == "categorical" and profile.distinct > MOST_VOCABULARY:
            warnings.append(
                f"column '{profile.name}' has {profile.distinct:,} values: the {MOST_VOCABULARY:,} most frequent are "
                "known to the model"
            )
    return warnings


def _few(target: Target) -> list[str]:
    rows = len(target.values)
    return [f"only {counted(rows, 'row')}: measured quality is rough"] if rows < _FEW_ROWS else []


def _capped(warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - _MOST_WARNINGS
    return (*warnings[:_MOST_WARNINGS], *([f"and {more:,} warnings more"] if more > 0 else []))
