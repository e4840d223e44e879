"""Infer the schema: columns, their kinds, and how each row is cast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import GROUP, TIME, Dropped
from pipeline.contracts.signature import Column, Task
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.parsing.missing import MISSING, choose_markers
from pipeline.parsing.numbers import PLAIN
from pipeline.validation.columns.casting import as_numbers, cast_column, count_invalid
from pipeline.validation.columns.cells import describe_markers, has_number_marker, strip_cells
from pipeline.validation.columns.inferred import DecimalHint, InferredColumn
from pipeline.validation.columns.likely_target import find_likely_target, warn_likely_target
from pipeline.validation.columns.numbers.fitting import as_finite, fit_numbers
from pipeline.validation.columns.numbers.inference import decimal_evidence, infer_numbers
from pipeline.validation.columns.several_targets import (
    STRATUM,
    SeveralTargets,
    infer_label_lists,
    infer_target_columns,
)
from pipeline.validation.columns.spec_columns import check_columns, resolve_columns
from pipeline.validation.columns.target import Target, TargetRule, infer_target, target_name
from pipeline.validation.columns.type_inference import infer_column, infer_unnamed_column
from pipeline.validation.columns.weights import infer_weight, read_weights
from pipeline.validation.readers.batches import TableRows
from pipeline.validation.threads import map_in_threads

__all__ = ["DROP_REASONS", "CastRows", "Schema", "infer_schema"]

_CAST_KINDS = ("numeric", "boolean", "datetime")  # kinds whose cells may fail to be cast
_HINT_ROWS = 1_000
_AMBIGUOUS = r"(?:^|[^0-9.,])[1-9][0-9]{0,2}[.,][0-9]{3}(?:$|[^0-9.,])"  # 1.299 and 1,299
_PROOF = r"[.,](?:[0-9]{1,2}|[0-9]{4,})(?:$|[^0-9.,])"  # a decimal mark, since no group of thousands follows
_DROP_REASON = "dropped by train.yaml"
_GROUP_REASON = "it groups the rows for the split (split.column)"
DROP_REASONS = frozenset({_DROP_REASON, _GROUP_REASON})  # reasons of columns that train.yaml drops


@dataclass(frozen=True, kw_only=True, slots=True)
class CastRows:
    """Rows in the types of the split files.

    ``unusable``: masks of rows that cannot be learned from, each with the reason. ``split_keys``: the time or group of
    each row if the rows are split by time or group, else None. ``invalid``: column -> number of cells that are not of
    its kind.
    """

    frame: pl.DataFrame
    unusable: Sequence[tuple[pl.Series, str]]
    split_keys: pl.Series | None
    invalid: Counter[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """Rules by which rows are read. ``columns`` are the features, ``target`` is the rule of the target.

    ``several``: rules of several targets; ``target`` is then a column that only stratifies the rows, in addition to the
    columns of the targets. ``sample``: the rows that the schema was inferred from; their cast values are in ``columns``
    and ``target_values``.
    """

    spec: JobSpec
    target: TargetRule
    target_values: pl.Series
    columns: tuple[InferredColumn, ...]
    left_out: tuple[Dropped, ...]
    sample: pl.DataFrame
    missing: frozenset[str] = MISSING
    weight: Column | None = None
    split_column: Column | None = None  # rule of the column that splits the rows by time or group
    warnings: tuple[str, ...] = ()
    is_default_target: bool = False  # whether the target is the last column because none was named
    likely_target: str = ""  # column that is more likely the target than the default one; empty: there is none
    several: SeveralTargets | None = None

    @property
    def task(self) -> Task:
        """Return the task of the data set."""
        return self.several.task if self.several else self.target.task

    @property
    def target_label(self) -> str:
        """Return the target, or all targets, for messages."""
        return self.several.name if self.several else self.target.name

    @property
    def target_names(self) -> tuple[str, ...]:
        """Return the columns of the split files with the targets; none for clustering."""
        return self.several.names if self.several else tuple(filter(None, [self.target.name]))

    @property
    def numbers(self) -> frozenset[str]:
        """Return the columns of plain numbers, which a reader of text may return as Float64."""
        if has_number_marker(self.missing):
            return frozenset()
        plain = Column(name="", kind="numeric")
        names = {column.name for column in self.columns if replace(column.column, name="", is_wide=False) == plain}
        is_plain = not self.several and self.target == TargetRule(name=self.target.name, task="regression")
        names |= {self.target.name} if is_plain else set()
        return frozenset(names | ({self.weight.name} if self.weight and self.weight.number_format == PLAIN else set()))

    def with_categories(self, names: Sequence[str]) -> Schema:
        """Return the schema with the columns ``names`` as categories, for a second pass over the rows."""
        columns = [
            replace(column, column=Column(name=column.name, kind="categorical")) if column.name in names else column
            for column in self.columns
        ]
        return replace(self, columns=tuple(columns))

    def cast(self, raw: pl.DataFrame) -> CastRows:
        """Cast a reader's rows; the sample's rows are cast already."""
        invalid: Counter[str] = Counter()
        is_sample = raw is self.sample
        columns = [column.values if is_sample else self._cast(raw, column, invalid) for column in self.columns]
        targets = self.several.cast(raw) if self.several else []
        labels = self.several.stratum(targets) if self.several else self._labels(raw, is_sample=is_sample)
        weight = read_weights(raw[self.weight.name], self.weight, self.missing) if self.weight else None
        frame = pl.DataFrame(
            {values.name: values for values in (*columns, *targets, labels, weight) if values is not None}
        )
        split_keys = self._read_split_keys(raw)
        unusable = [(labels.is_null(), f"no value in the target '{self.target_label}' that can be learned")]
        if weight is not None:
            unusable.append((weight.is_null(), f"no positive weight in the column '{weight.name}'"))
        if split_keys is not None:
            by, name = self.spec.split.by, self.spec.split.column
            unusable.append((split_keys.is_null(), f"no {by} in the column '{name}', by which the rows are split"))
        return CastRows(frame=frame, unusable=unusable, split_keys=split_keys, invalid=invalid)

    def with_hidden_columns(self, frame: pl.DataFrame, groups: pl.Series, split_keys: pl.Series | None) -> pl.DataFrame:
        """Add the hidden columns: the group of each row, and its time if the split is by time.

        Args:
            frame: Rows in the types of the split files.
            groups: The group of each row, UInt64.
            split_keys: The time or group of each row if the rows are split by time or group; else None.
        """
        hidden = [groups.alias(GROUP)]
        if self.spec.split.by == "time" and split_keys is not None:
            hidden.append(split_keys.cast(pl.Float64).alias(TIME))
        return frame.with_columns(*(column for column in hidden if column.name not in frame.columns))

    def _cast(self, raw: pl.DataFrame, column: InferredColumn, invalid: Counter[str]) -> pl.Series:
        cells, kind = raw[column.name], column.column.kind
        if kind == "numeric" and cells.dtype == pl.Float64:  # a reader of text returns plain numbers like this
            numbers = fit_numbers(as_finite(cells), is_wide=column.column.is_wide)
            if numbers.null_count() == cells.null_count():
                return numbers
        values = cast_column(cells, column.column, self.missing)
        if kind in _CAST_KINDS:
            invalid[column.name], _ = count_invalid(cells, values, column.column, self.missing)
        return values

    def _labels(self, raw: pl.DataFrame, *, is_sample: bool) -> pl.Series:
        if self.task == "clustering":
            return pl.Series(self.target.name, [0.0]).new_from_index(0, raw.height)
        return self.target_values if is_sample else self.target.cast(raw[self.target.name])

    def _read_split_keys(self, raw: pl.DataFrame) -> pl.Series | None:
        name = self.spec.split.column
        if name is None:
            return None
        if self.split_column is None:
            return strip_cells(raw[name], self.missing).cast(pl.String)
        return _moments(raw[name], self.split_column, self.missing)


def infer_schema(rows: TableRows, spec: JobSpec) -> Schema:
    """Infer how rows are read, from a sample or from all rows.

    Args:
        rows: The source's rows.
        spec: The job spec; it may name columns in the header's original spelling.

    Raises:
        InvalidJobSpecError: A column of ``spec`` does not exist, or does not fit its use.
        InvalidTargetError: The target does not exist or cannot be learned.
        InvalidColumnsError: The weights are not positive numbers.
    """
    sample = rows.sample
    spec = resolve_columns(spec, rows.names)
    missing = choose_markers(spec.missing)
    name = "" if spec.targets else target_name(sample.columns, spec, rows.names.unnamed)
    sources = spec.targets or (name,)
    check_columns(spec, sample.columns, sources)
    hint = _decimal_hint(sample)
    dropped = [Dropped(name=column, reason=_DROP_REASON) for column in spec.drop]
    dropped += _leave_out_group(spec)
    features = sample.drop({*sources, spec.weight or "", *(column.name for column in dropped)}, strict=False)
    with ThreadPoolExecutor(1) as pool:  # the target is inferred at the same time, and its errors are raised first
        inferred = pool.submit(_infer_features, features, rows, missing, hint)
        several = _infer_several(sample, name, spec, hint)
        target = _stratifying(several, sample) if several else _infer_target(sample, name, spec, rows.task, hint)
        columns, unread = inferred.result()
    split_column = _infer_split_column(sample, spec, missing)
    is_default = bool(name) and spec.target is None
    kinds = [column.column for column in columns]
    likely = find_likely_target(target, sample.columns, kinds) if is_default and not several else ""
    return Schema(
        spec=spec.model_copy(update={"target": name or None, "task": several.task if several else target.task}),
        target=target.rule,
        target_values=target.values,
        columns=columns,
        left_out=(*dropped, *unread),
        sample=sample,
        missing=missing,
        weight=infer_weight(sample[spec.weight], missing) if spec.weight else None,
        split_column=split_column,
        warnings=(*warn_likely_target(name, likely), *(() if several else _warn_target(target, rows))),
        is_default_target=is_default,
        likely_target=likely,
        several=several,
    )


def _infer_several(sample: pl.DataFrame, name: str, spec: JobSpec, hint: DecimalHint) -> SeveralTargets | None:
    """Infer several targets, if the spec names them or the target's cells list labels; else None."""
    if spec.targets:
        return infer_target_columns(sample, spec, hint)
    return infer_label_lists(sample, name, spec) if name else None


def _stratifying(several: SeveralTargets, sample: pl.DataFrame) -> Target:
    """Return a target that holds the strata of rows with several targets."""
    rule = TargetRule(name=STRATUM, task="regression", missing=several.missing)
    return Target(rule=rule, values=several.stratum(several.cast(sample)), markers=Counter())


def _infer_target(sample: pl.DataFrame, name: str, spec: JobSpec, task: Task | None, hint: DecimalHint) -> Target:
    raw = sample[name] if name else pl.Series(name, [0.0]).new_from_index(0, sample.height)
    return infer_target(raw, spec, task=task, decimal_hint=hint)


def _warn_target(target: Target, rows: TableRows) -> Iterator[str]:
    yield from target.warnings
    if target.markers:
        yield f"the target '{target.rule.name}': {describe_markers(target.markers)}{rows.by_sample}"


def _infer_features(
    features: pl.DataFrame, rows: TableRows, missing: frozenset[str], hint: DecimalHint
) -> tuple[tuple[InferredColumn, ...], list[Dropped]]:
    def infer(raw: pl.Series) -> InferredColumn | Dropped:
        if rows.image and raw.dtype == pl.Binary:
            return InferredColumn(column=Column(name=raw.name, kind="image", shape=rows.image), values=raw)
        column = infer_column(raw, missing=missing, decimal_hint=hint)
        return infer_unnamed_column(raw, column) if raw.name in rows.names.unnamed else column

    inferred = map_in_threads(infer, list(features))
    columns = tuple(
        replace(column, column=replace(column.column, aliases=rows.names.aliases.get(column.name, ())))
        for column in inferred
        if isinstance(column, InferredColumn)
    )
    return columns, [column for column in inferred if isinstance(column, Dropped)]


def _decimal_hint(sample: pl.DataFrame) -> DecimalHint:
    """Return the decimal mark of the unambiguous columns, which ambiguous columns are then read with."""
    texts = [column.head(_HINT_ROWS) for column in sample if column.dtype == pl.String]
    numbered = pl.DataFrame([text.alias(str(number)) for number, text in enumerate(texts)])
    is_unproven = pl.all().str.contains(_AMBIGUOUS).any() & ~pl.all().str.contains(_PROOF).any()
    if not texts or not any(numbered.select(is_unproven).row(0)):
        return ""
    evidence = sum(decimal_evidence(strip_cells(text)) for text in texts)
    return "," if evidence > 0 else "." if evidence < 0 else ""


def _leave_out_group(spec: JobSpec) -> list[Dropped]:
    name = spec.split.column
    if spec.split.by != "group" or name is None or name in spec.drop:
        return []
    return [Dropped(name=name, reason=_GROUP_REASON)]


def _infer_split_column(sample: pl.DataFrame, spec: JobSpec, missing: Set[str]) -> Column | None:
    """Infer how the times of a split by time are read; None for splits by group and random splits."""
    name = spec.split.column
    if name is None:
        return None
    raw = sample[name]
    if spec.split.by == "group":
        if raw.dtype.is_nested():
            raise InvalidJobSpecError(
                f"train.yaml: split.column: '{name}' holds arrays or objects: one value per row, its group, is expected"
            )
        return None
    return _infer_times(raw, missing)


def _infer_times(raw: pl.Series, missing: Set[str]) -> Column:
    if raw.dtype.is_numeric():
        return Column(name=raw.name, kind="numeric", is_wide=True)
    if raw.dtype == pl.String and (numbers := infer_numbers(strip_cells(raw, missing))) is not None:
        return Column(name=raw.name, kind="numeric", number_format=numbers.number_format, is_wide=True)
    inferred = infer_column(raw, missing=missing)
    if isinstance(inferred, Dropped) or inferred.column.kind != "datetime":
        raise InvalidJobSpecError(
            f"train.yaml: split.column: the values of '{raw.name}' are not times: dates, times or numbers that grow "
            "with time are expected"
        )
    return inferred.column


def _moments(raw: pl.Series, column: Column, missing: Set[str]) -> pl.Series:
    """Return times as Float64."""
    if column.kind == "datetime":
        return cast_column(raw, column, missing)
    return as_numbers(strip_cells(raw, missing), column, missing)
