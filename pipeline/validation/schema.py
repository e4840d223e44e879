"""What a sample says of the data: which columns there are, of which kinds, and how each row of all is then read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.contracts.dataset import LeftOut
from pipeline.contracts.job_spec import JobSpec, Split
from pipeline.contracts.signature import Task
from pipeline.validation.columns.casting import numbers_in, read_as, text_of
from pipeline.validation.columns.roles import Roles
from pipeline.validation.columns.target import target_name
from pipeline.validation.columns.type_inference import Typed, tell_kind, trimmed
from pipeline.validation.columns.weights import weights_in
from pipeline.validation.companions.job_spec_file import check_columns
from pipeline.validation.prepare import type_columns, usable_rows
from pipeline.validation.readers.batches import Rows
from pipeline.validation.readers.table import Table
from pipeline.validation.rejected_rows import SetAside

__all__ = ["Understood", "understand"]

_MOST_HELD = 250_000  # rows that validate, and that test: more make quality no surer, and are held in memory later
_READ = ("numeric", "boolean", "datetime")  # kinds that a cell may fail to be
_TOP = float(2**64)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBatch:
    """The usable rows in the splits' types, the split of each; why others are not, and how many cells were lost."""

    frame: pl.DataFrame
    splits: pl.Series
    dropped: Counter[str]
    lost: Counter[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """``typed``: the columns that models read, with the sample's values. ``target``: "" of clustering.

    ``spelt``: labels are whole numbers, written as such whatever their file has. ``until``: the part of the rows, from
    0 to 1 by their hash, that tests, and up to which they validate. ``latest``: instead, the times from which they do.
    """

    spec: JobSpec
    task: Task
    target: str
    typed: tuple[Typed, ...]
    left_out: tuple[LeftOut, ...]
    decimal_comma: bool
    spelt: bool
    until: tuple[float, float]
    time: Typed | None = None
    latest: tuple[float, float] = (0.0, 0.0)
    telling: tuple[str, ...]  # columns by which the sample's rows differ as they do by all
    alone: bool = False  # most rows are copies, so each is dealt by itself

    @property
    def numbers(self) -> frozenset[str]:
        """Columns that a reader of text may give as Float64: a comma in them, or a label, is for us to read."""
        if self.decimal_comma:
            return frozenset()
        found = {one.values.name for one in self.typed if one.kind == "numeric"}
        found |= {self.target} if self.task == "regression" else set()
        return frozenset(found | {name for name in (self.spec.weight,) if name})

    def without(self, names: Sequence[str]) -> Understood:
        """The columns ``names`` are read as categories, since all rows say otherwise than the sample."""
        typed = [replace(one, kind="categorical") if one.values.name in names else one for one in self.typed]
        return replace(self, typed=tuple(typed))

    def read(self, raw: pl.DataFrame, number: int) -> ReadBatch:
        """The rows of batch ``number``."""
        lost: Counter[str] = Counter()
        read = [self._column(raw[one.values.name], one, lost) for one in self.typed]
        labels = self._labels(raw)
        weight = weights_in(raw[self.spec.weight], decimal_comma=self.decimal_comma) if self.spec.weight else None
        frame = pl.DataFrame({one.name: one for one in (*read, labels, weight) if one is not None})
        placed = self._placed(raw)
        dropped: Counter[str] = Counter()
        usable = pl.Series([True]).new_from_index(0, raw.height)
        needed = [(labels, f"no value in the target '{self.target}' that can be learnt")]
        if weight is not None:
            needed.append((weight, f"no positive weight in the column '{self.spec.weight}'"))
        if placed is not None:
            needed.append((placed, f"no {self.spec.split.by} in the column '{self.spec.split.column}'"))
        for values, reason in needed:
            dropped[reason] = int((usable & values.is_null()).sum())
            usable &= values.is_not_null()
        splits = self._splits(frame, placed, number)
        if not usable.all():
            frame, splits = frame.filter(usable), splits.filter(usable)
        return ReadBatch(frame=frame, splits=splits, dropped=dropped, lost=lost)

    def _column(self, raw: pl.Series, one: Typed, lost: Counter[str]) -> pl.Series:
        if one.kind == "numeric" and raw.dtype == pl.Float64:  # as a reader of text gives it
            numbers = raw.cast(pl.Float32)
            if math.isfinite(float(numbers.sum())) or numbers.is_finite().all():
                return numbers
        values = read_as(raw, one.kind, decimal_comma=self.decimal_comma, day_first=one.day_first)
        if one.kind in _READ:
            lost[raw.name] = values.null_count() - trimmed(raw).null_count()
        return values

    def _labels(self, raw: pl.DataFrame) -> pl.Series:
        if self.task == "clustering":
            return pl.Series(self.target, [0.0]).new_from_index(0, raw.height)
        column = trimmed(raw[self.target])
        if self.task == "regression":
            return numbers_in(column, decimal_comma=self.decimal_comma)
        text = text_of(column)
        if not self.spelt:
            return text
        numbers = numbers_in(column)
        return text.zip_with(numbers.is_null(), numbers.cast(pl.Int64, strict=False).cast(pl.String))

    def _placed(self, raw: pl.DataFrame) -> pl.Series | None:
        """Time or group of each row; None where chance places it."""
        if (name := self.spec.split.column) is None:
            return None
        column = trimmed(raw[name])
        if self.time is None:
            return column.cast(pl.String)
        if self.time.kind == "datetime":
            return read_as(column, "datetime", day_first=self.time.day_first)
        return numbers_in(column)

    def _splits(self, frame: pl.DataFrame, placed: pl.Series | None, number: int) -> pl.Series:
        if self.time is not None:
            assert placed is not None, "times were read"
            first, second = (placed >= self.latest[0]).fill_null(False), (placed >= self.latest[1]).fill_null(False)
        else:
            if placed is not None:
                hashes = placed.hash(self.spec.seed)
            elif self.alone:
                hashes = pl.int_range(number << 40, (number << 40) + frame.height, eager=True).hash(self.spec.seed)
            else:
                hashes = frame.select(self.telling).hash_rows(self.spec.seed)
            part = (
                hashes.hash(self.spec.seed).cast(pl.Float64) / _TOP
            )  # again: a row's hash is not even in its first bits
            first, second = part < self.until[0], part < self.until[1]
        names = pl.select(
            pl.when(first).then(pl.lit("test")).when(second).then(pl.lit("validation")).otherwise(pl.lit("train"))
        )
        return names.to_series()


def understand(rows: Rows, spec: JobSpec, workdir: Path, *, given_test: bool) -> Understood:
    """Raise what validation of the sample alone would raise: of its target, its columns, and ``spec``."""
    scratch = SetAside(workdir / "sample.jsonl")
    table = Table(frame=rows.sample, decimal_comma=rows.decimal_comma)
    target = target_name(table.frame.columns, spec)
    check_columns(spec, table.frame.columns, target)
    raw = table.frame if target else table.frame.with_columns(pl.lit(0.0).alias(target))
    told, usable = usable_rows(raw[target], table, spec, scratch)
    raw = raw.filter(usable)
    roles = Roles.of(raw, spec, decimal_comma=rows.decimal_comma)
    typed, left_out = type_columns(raw.drop({target, *roles.no_features}), spec.drop, table)
    test, until = _shares(spec.split, rows.expected, given_test=given_test)
    telling, distinct = _telling(typed, told.values)
    time = None
    if roles.times is not None:
        kind = tell_kind(raw[str(spec.split.column)])
        time = kind if isinstance(kind, Typed) else Typed(kind="numeric", values=roles.times)
    return Understood(
        spec=spec.model_copy(update={"target": target or None, "task": told.task}),
        task=told.task,
        target=target,
        typed=tuple(typed),
        left_out=(*roles.left_out, *left_out),
        decimal_comma=rows.decimal_comma,
        spelt=told.task == "classification" and all(_is_whole(one) for one in told.classes),
        until=(test, until),
        time=time,
        latest=(0.0, 0.0) if roles.times is None else _latest(roles.times, test, until),
        telling=telling,
        alone=distinct < raw.height / 2,
    )


def _shares(split: Split, expected: int, *, given_test: bool) -> tuple[float, float]:
    most = _MOST_HELD / max(1, expected)
    test = 0.0 if given_test else min(split.test, most)
    return test, test + min(split.validation, most)


def _telling(typed: Sequence[Typed], target: pl.Series) -> tuple[tuple[str, ...], int]:
    """A few columns that tell the sample's rows apart as well as all do, or all; and how many rows differ."""
    rows = pl.DataFrame({one.name: one for one in (*(one.values for one in typed), target)})
    distinct = rows.hash_rows().n_unique()
    for few in (4, 8):
        most = sorted(rows.columns, key=lambda name: rows[name].n_unique(), reverse=True)[:few]
        if rows.select(most).hash_rows().n_unique() == distinct:
            return tuple(most), distinct
    return tuple(rows.columns), distinct


def _latest(times: pl.Series, test: float, until: float) -> tuple[float, float]:
    ends = [times.quantile(1 - share, "higher") if share else float("inf") for share in (test, until)]
    return float(ends[0] or 0), float(ends[1] or 0)


def _is_whole(label: str) -> bool:
    return label.lstrip("-").isdecimal() and label == str(int(label))
