"""Test rows that the user gave: a file beside the data, read as the data was understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, InvalidTargetError, TooFewRowsError
from pipeline.validation.columns.casting import numbers_in, read_as, text_of
from pipeline.validation.columns.names import nearest
from pipeline.validation.columns.target import Target
from pipeline.validation.columns.type_inference import Typed, trimmed
from pipeline.validation.columns.weights import read_weights
from pipeline.validation.readers.table import Table
from pipeline.validation.rejected_rows import SetAside
from pipeline.validation.words import counted

__all__ = ["GivenTest", "labels_as", "read_test_rows"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenTest:
    """``file``: as a user calls it. ``aside``: its rows that cannot be used."""

    file: str
    table: Table
    aside: SetAside


def read_test_rows(
    given: GivenTest, target: Target, columns: Sequence[Typed], weight: str | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The rows in the splits' types, and warnings. Rows whose target is missing, or of an unknown class, are set aside.

    Raise InvalidColumnsError or InvalidTargetError when a column is not there or cannot be read so, TooFewRowsError.
    """
    raw, name = given.table.frame, target.values.name
    _check_names(given, [*filter(None, [name]), *(one.values.name for one in columns)], name)
    read, warnings = _features(given, columns)
    values, unseen = _target(given, target)
    given.aside.add_dropped(values.is_null() & ~unseen, f"no value in the target '{name}'")
    given.aside.add_dropped(unseen, "a class of the target that no training row has")
    rows = pl.DataFrame({one.name: one for one in (*read, values)})
    if weight is not None:
        told = raw[weight] if weight in raw.columns else pl.Series(weight, [1.0]).new_from_index(0, raw.height)
        rows = rows.with_columns(read_weights(told, file=given.file, decimal_comma=given.table.decimal_comma))
        given.aside.add_dropped(rows[weight].is_null(), f"no positive weight in the column '{weight}'")
        rows = rows.filter(pl.col(weight).is_not_null())
    rows = rows.filter(pl.col(name).is_not_null())
    if rows.is_empty():
        raise TooFewRowsError(
            f"'{given.file}' has no row to test on ({counted(raw.height, 'row')} in all): rows with the target "
            f"'{name}', of classes that the data has, are expected"
        )
    return rows, warnings


def labels_as(raw: pl.Series, classes: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """The values spelt as the classes are (1.0 is the class 1), null where they are none; and which are unknown."""
    text = text_of(trimmed(raw))
    known = text.is_in(list(classes))
    by_number = pl.Series(classes, dtype=pl.String).cast(pl.Float64, strict=False)
    found = text.set(~known, None)
    if by_number.null_count() == 0 and by_number.is_unique().all():
        spelt = pl.DataFrame({"number": by_number, "label": list(classes)})
        numbers = numbers_in(text).alias("number").to_frame()
        matched = numbers.join(spelt, on="number", how="left", maintain_order="left")["label"]
        found = found.zip_with(known, matched.alias(raw.name))
    return found, found.is_null() & text.is_not_null()


def _check_names(given: GivenTest, needed: Sequence[str], target: str) -> None:
    there = given.table.frame.columns
    missing = [name for name in needed if name not in there]
    if target in missing:
        raise InvalidTargetError(f"'{given.file}' has no column '{target}', the target: {nearest(target, there)}")
    if missing:
        raise InvalidColumnsError(
            f"'{given.file}' lacks {counted(len(missing), 'column')} of the data, such as '{missing[0]}': "
            f"{nearest(missing[0], there)}"
        )


def _features(given: GivenTest, columns: Sequence[Typed]) -> tuple[list[pl.Series], tuple[str, ...]]:
    read, warnings = [], []
    for one in columns:
        name = one.values.name
        raw = trimmed(given.table.frame[name])
        values = read_as(raw, one.kind, decimal_comma=given.table.decimal_comma, day_first=one.day_first)
        known = len(raw) - raw.null_count()
        lost = known - (len(values) - values.null_count())
        if known and lost == known:
            raise InvalidColumnsError(f"'{given.file}': column '{name}' is not {one.kind}, as it is in the data")
        if lost:
            warnings.append(
                f"'{given.file}': column '{name}': {counted(lost, 'cell')} not {one.kind}, taken as missing"
            )
        read.append(values)
    return read, tuple(warnings)


def _target(given: GivenTest, target: Target) -> tuple[pl.Series, pl.Series]:
    if target.task == "clustering":
        values = pl.Series(target.values.name, [0.0]).new_from_index(0, given.table.frame.height)
        return values, values != 0
    raw = given.table.frame[target.values.name]
    if target.task == "regression":
        values = numbers_in(trimmed(raw), decimal_comma=given.table.decimal_comma)
        return values, pl.Series([False]).new_from_index(0, len(values))
    return labels_as(raw, target.classes)
