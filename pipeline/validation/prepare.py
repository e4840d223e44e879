"""A table -> a Dataset: the target, typed columns, splits, statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from pipeline.contracts.dataset import ColumnProfile, Dataset, LeftOut, SplitRows
from pipeline.contracts.errors import InvalidColumnsError, TooFewRowsError
from pipeline.contracts.job_spec import JobSpec
from pipeline.validation.columns.roles import Roles, needed_values
from pipeline.validation.columns.target import Target, read_target, target_name, trained_target, without_rare_classes
from pipeline.validation.columns.type_inference import Typed, tell_kind
from pipeline.validation.companions.job_spec_file import check_columns
from pipeline.validation.companions.test_file import GivenTest, read_test_rows
from pipeline.validation.limits import LEAST_CLASS_ROWS, LEAST_ROWS, MOST_VOCABULARY
from pipeline.validation.profile import profile_column
from pipeline.validation.readers.table import Table
from pipeline.validation.rejected_rows import SetAside
from pipeline.validation.splits import SPLITS, assign_by_group, assign_by_time, assign_splits, group_copies
from pipeline.validation.threads import side_by_side
from pipeline.validation.words import counted

__all__ = [
    "Prepared",
    "capped",
    "check_rows",
    "check_usable",
    "prepare",
    "told_of",
    "type_columns",
    "usable_rows",
]

_MOST_WARNINGS = 50
_FEW_ROWS = 300
_NAMED = 5  # columns that a message names


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A Dataset, its rows by split (contracts.dataset says of which types), and the spec as it was understood."""

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    spec: JobSpec


def prepare(
    table: Table, spec: JobSpec, aside: SetAside, *, sha256: str, given_test: GivenTest | None = None
) -> Prepared:
    """Type, split and profile the rows. Raise DatasetError kin, or InvalidJobSpecError for a column of ``spec``.

    ``given_test``: the rows that test; those of ``table`` then train and validate.
    """
    name = target_name(table.frame.columns, spec)
    check_columns(spec, table.frame.columns, name)
    raw = table.frame if name else table.frame.with_columns(pl.lit(0.0).alias(name))
    check_rows(raw.height, aside)
    target, usable = usable_rows(raw[name], table, spec, aside)
    raw = raw if usable.all() else raw.filter(usable)
    roles = Roles.of(raw, spec, decimal_comma=table.decimal_comma)
    features = raw.drop({name, *roles.no_features})
    typed, left_out = type_columns(features, spec.drop, table)
    given = pl.DataFrame({one.name: one for one in (*(one.values for one in typed), target.values, *roles.weight)})
    rows, assigned, copied = _split(given, target, roles, spec, aside, given_test=given_test is not None)
    splits = {split: rows.filter(assigned == split) for split in SPLITS}
    target = trained_target(target, splits["train"][name])
    told: tuple[str, ...] = ()
    if given_test is not None:
        splits["test"], told = read_test_rows(given_test, target, typed, spec.weight)
        told = (*given_test.table.warnings, *given_test.aside.warnings, *told, *_shared(given_test, splits))
    profiles, untold = _profile(typed, splits["train"])
    check_usable(profiles, left_out := [*roles.left_out, *left_out, *untold], name)
    columns = [*(profile.name for profile in profiles), *filter(None, (name, spec.weight))]
    dataset = Dataset(
        task=target.task,
        target=name,
        columns=tuple(profiles),
        left_out=tuple(left_out),
        classes=target.classes,
        class_rows=_class_rows(splits["train"][name], target.classes),
        rows=SplitRows(**{split: part.height for split, part in splits.items()}),
        set_aside=aside.rows + (given_test.aside.rows if given_test else 0),
        warnings=capped(
            [*table.warnings, *aside.warnings, *told_of(typed, profiles), *copied, *told, *few_rows(rows.height)]
        ),
        sha256=sha256,
        weight=spec.weight,
        split_by=spec.split.by,
    )
    understood = spec.model_copy(update={"target": name or None, "task": target.task})
    return Prepared(
        dataset=dataset, splits={split: part.select(columns) for split, part in splits.items()}, spec=understood
    )


def _split(  # noqa: PLR0913 - what decides of it, each by its name
    rows: pl.DataFrame, target: Target, roles: Roles, spec: JobSpec, aside: SetAside, *, given_test: bool
) -> tuple[pl.DataFrame, pl.Series, tuple[str, ...]]:
    """The rows that can be placed, the split of each, and warnings; a class that no training row has cannot be."""
    copied: tuple[str, ...] = ()
    if roles.times is not None:
        assigned = assign_by_time(roles.times, spec.split, given_test=given_test)
    elif roles.groups is not None:
        assigned = assign_by_group(roles.groups, spec.split, spec.seed, given_test=given_test)
    else:
        copies, copied = group_copies(rows)
        assigned = assign_splits(target.values, copies, spec.split, spec.seed, given_test=given_test)
    if target.task != "classification":
        return rows, assigned, copied
    unseen = ~target.values.is_in(target.values.filter(assigned == "train").unique().to_list())
    if not unseen.any():
        return rows, assigned, copied
    aside.add_dropped(unseen, f"a class of the target '{target.values.name}' that no training row has")
    return rows.filter(~unseen), assigned.filter(~unseen), copied


def _shared(given: GivenTest, splits: Mapping[str, pl.DataFrame]) -> Iterator[str]:
    test = splits["test"]
    known = pl.concat([splits["train"], splits["validation"]]).select(test.columns).hash_rows()
    if shared := int(test.hash_rows().is_in(known.unique().implode()).sum()):
        yield f"{shared:,} of {counted(test.height, 'row')} of '{given.file}' are in the data too"


def check_rows(rows: int, aside: SetAside) -> None:
    if rows < LEAST_ROWS:
        without = f" ({aside.rows:,} more are set aside)" if aside.rows else ""
        raise TooFewRowsError(
            f"the file has {counted(rows, 'row')} to learn from{without}: at least {LEAST_ROWS} are expected, so that "
            "some choose between models and some test the one that is chosen"
        )


def usable_rows(column: pl.Series, table: Table, spec: JobSpec, aside: SetAside) -> tuple[Target, pl.Series]:
    """The target of the rows that can be learnt from, and which of all rows these are; the others are set aside."""
    placed = _placed(table, spec, aside)
    told = read_target(column, spec.task or table.task, decimal_comma=table.decimal_comma)
    told = Target(task=told.task, values=told.values.set(~placed, None))
    target = without_rare_classes(told)
    without = told.values.is_null()
    usable = target.values.is_not_null()
    aside.add_dropped(without & placed, f"no value in the target '{column.name}' that can be learnt")
    aside.add_dropped(~usable & ~without, f"a class of the target with fewer than {LEAST_CLASS_ROWS} rows")
    check_rows(int(usable.sum()), aside)
    return Target(task=target.task, values=target.values.filter(usable)), usable


def _placed(table: Table, spec: JobSpec, aside: SetAside) -> pl.Series:
    """Rows with a weight, and a time or group, where these are asked for; the others are set aside."""
    placed = pl.Series([True]).new_from_index(0, table.frame.height)
    for values, reason in needed_values(table.frame, spec, decimal_comma=table.decimal_comma):
        aside.add_dropped(placed & values.is_null(), reason)
        placed &= values.is_not_null()
    return placed


def type_columns(features: pl.DataFrame, drop: Sequence[str], table: Table) -> tuple[list[Typed], list[LeftOut]]:
    left_out = [LeftOut(name=name, reason="dropped by train.yaml") for name in drop]
    told = side_by_side(partial(_kind_of, table), list(features.drop(drop, strict=False)))
    typed = [one for one in told if isinstance(one, Typed)]
    return typed, [*left_out, *(one for one in told if isinstance(one, LeftOut))]


def _kind_of(table: Table, column: pl.Series) -> Typed | LeftOut:
    if table.image and column.dtype == pl.Binary:
        return Typed(kind="image", values=column, shape=table.image)
    return tell_kind(column, decimal_comma=table.decimal_comma)


def _profile(typed: Sequence[Typed], train: pl.DataFrame) -> tuple[list[ColumnProfile], list[LeftOut]]:
    found = side_by_side(lambda one: profile_column(one, train[one.values.name]), typed)
    return [one for one in found if isinstance(one, ColumnProfile)], [one for one in found if isinstance(one, LeftOut)]


def check_usable(profiles: Sequence[ColumnProfile], left_out: Sequence[LeftOut], target: str) -> None:
    if not profiles:
        reasons = "; ".join(f"'{one.name}': {one.reason}" for one in left_out[:_NAMED])
        more = "; ..." if len(left_out) > _NAMED else ""
        purpose = f"predict '{target}'" if target else "tell clusters by"
        raise InvalidColumnsError(
            f"no column can be used to {purpose} ({reasons}{more}): at least one of numbers, categories or "
            "truth values is expected"
        )


def _class_rows(train: pl.Series, classes: Sequence[str]) -> tuple[int, ...]:
    counts = train.rename("class").value_counts(name="rows")
    rows = dict(zip(counts["class"], counts["rows"], strict=True))
    return tuple(rows[one] for one in classes)


def told_of(typed: Sequence[Typed], profiles: Sequence[ColumnProfile]) -> list[str]:
    warnings = [warning for one in typed for warning in one.warnings]
    for profile in profiles:
        if profile.kind == "categorical" and profile.distinct > MOST_VOCABULARY:
            warnings.append(
                f"column '{profile.name}' has {profile.distinct:,} values: the {MOST_VOCABULARY:,} most frequent are "
                "known to the model"
            )
    return warnings


def few_rows(rows: int) -> list[str]:
    return [f"only {counted(rows, 'row')}: measured quality is rough"] if rows < _FEW_ROWS else []


def capped(warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - _MOST_WARNINGS
    return (*warnings[:_MOST_WARNINGS], *([f"and {more:,} warnings more"] if more > 0 else []))
