"""Several targets: columns of numbers, columns of yes and no, or one column that lists a row's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts.errors import InvalidJobSpecError, InvalidTargetError
from pipeline.contracts.records.dataset import LABEL_CLASSES
from pipeline.contracts.signature import Task, join_targets
from pipeline.contracts.spec.job_spec import MAX_TARGETS, JobSpec
from pipeline.contracts.spec.metrics import task_of_metric
from pipeline.parsing.missing import choose_markers
from pipeline.validation.columns.casting import as_flags
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.inferred import DecimalHint
from pipeline.validation.columns.label_lists import find_separator, split_labels
from pipeline.validation.columns.target import TargetRule, infer_target
from pipeline.validation.limits import MAX_NAMED, MIN_CLASS_ROWS
from pipeline.validation.words import counted

__all__ = ["STRATUM", "SeveralTargets", "infer_label_lists", "infer_target_columns"]

STRATUM = "\0stratum"  # a column for the splitter; users' columns cannot have this name
_NO_LABEL = "\0none"
_JOINTS = ("|", ";", ", ", " | ", "\n")  # separators of joined labels: the first that no label contains is used
_ONE_EACH = "train one model for each target"


@dataclass(frozen=True, kw_only=True, slots=True)
class SeveralTargets:
    """Rules by which cells become the columns of several targets.

    ``names``: the columns in the split files. ``labels``: labels of a multi-label classification, in the same order;
    empty for regression. ``rules``: one per column of the file that holds a target; empty if the column ``name`` lists
    labels, separated by ``list_separator``. ``rarest_first``: indices of the labels, fewest rows first.
    """

    name: str
    task: Task
    names: tuple[str, ...]
    labels: tuple[str, ...] = ()
    rules: tuple[TargetRule, ...] = ()
    list_separator: str = ""
    rarest_first: tuple[int, ...] = ()
    missing: frozenset[str]
    warnings: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the columns of the file that hold the targets."""
        return tuple(rule.name for rule in self.rules) or (self.name,)

    @property
    def separator(self) -> str:
        """Return the separator of predicted labels."""
        if not self.labels:
            return ""
        return next((sign for sign in _JOINTS if not any(sign in label for label in self.labels)), "\0")

    def cast(self, raw: pl.DataFrame) -> list[pl.Series]:
        """Read each target: Float64, or String of LABEL_CLASSES; null where the row has no value."""
        if not self.rules:
            return self._cast_lists(raw[self.name])
        return [_cast_column(raw[rule.name], rule) for rule in self.rules]

    def stratum(self, values: Sequence[pl.Series]) -> pl.Series:
        """Return the stratum of each row: its rarest label, or the mean rank of its numbers; null if one is missing."""
        frame = pl.DataFrame([column.alias(str(number)) for number, column in enumerate(values)])
        if self.labels:
            rarest = (
                pl.when(pl.col(str(number)) == LABEL_CLASSES[1]).then(pl.lit(str(number)))
                for number in self.rarest_first
            )
            strata = pl.coalesce(*rarest, pl.lit(_NO_LABEL))
        else:
            strata = pl.mean_horizontal(pl.all().rank())
        has_all = pl.all_horizontal(pl.all().is_not_null())
        return frame.select(pl.when(has_all).then(strata).alias(STRATUM)).to_series()

    def _cast_lists(self, raw: pl.Series) -> list[pl.Series]:
        cells = raw if raw.dtype.is_nested() else strip_cells(raw, self.missing)
        lists = split_labels(cells, self.list_separator)
        return [
            _as_label(lists.list.contains(label), name) for name, label in zip(self.names, self.labels, strict=True)
        ]


def infer_target_columns(sample: pl.DataFrame, spec: JobSpec, hint: DecimalHint = "") -> SeveralTargets:
    """Infer the task of several target columns: regression of numbers, or multi-label classification of truth values.

    Raises:
        InvalidTargetError: The columns are of different kinds, or one cannot be learned.
        InvalidJobSpecError: The task is clustering.
    """
    if spec.task == "clustering":
        raise InvalidJobSpecError("train.yaml: targets: clustering has no target: leave them out")
    missing = choose_markers(spec.missing)
    task = spec.task or task_of_metric(spec.metric) or _infer_task(sample, spec, missing)
    rules = []
    for name in spec.targets:
        if task == "classification" and not _are_flags(sample[name], missing):
            raise InvalidTargetError(
                f"several targets are labels that a row has or does not have, and '{name}' holds "
                f"{_describe(sample[name], missing)}: 0 and 1, true and false, or yes and no are expected in each; "
                f"otherwise {_ONE_EACH}"
            )
        if task == "classification":
            rules.append(TargetRule(name=name, task=task, missing=missing))
        else:
            rules.append(infer_target(sample[name], spec, task="regression", decimal_hint=hint).rule)
    labels = spec.targets if task == "classification" else ()
    targets = SeveralTargets(
        name=join_targets(spec.targets),
        task=task,
        names=spec.targets,
        labels=labels,
        rules=tuple(rules),
        missing=missing,
    )
    return _with_rarity(targets, sample) if labels else targets


def infer_label_lists(sample: pl.DataFrame, name: str, spec: JobSpec) -> SeveralTargets | None:
    """Infer the labels that the target's cells list; None if each cell is one class or a number.

    Raises:
        InvalidTargetError: ``labels: several`` is set, but cells list no labels; or fewer than two have enough rows.
    """
    if (
        spec.labels == "single"
        or spec.task in ("regression", "clustering")
        or task_of_metric(spec.metric) == "regression"
    ):
        return None
    missing = choose_markers(spec.missing)
    cells = sample[name] if sample[name].dtype.is_nested() else strip_cells(sample[name], missing)
    present = cells.drop_nulls()
    separator = find_separator(present, is_multilabel=spec.labels == "several")
    if not separator:
        if spec.labels == "several":
            raise InvalidTargetError(
                f'labels: several: cells of the target \'{name}\' list no labels: such as a|b, a;b, a, b or ["a", "b"] '
                "are expected"
            )
        return None
    labels, warnings = _choose_labels(split_labels(present, separator), name)
    if len(labels) < 2:
        raise InvalidTargetError(
            f"the target '{name}' lists labels, and {counted(len(labels), 'label')} of them has {MIN_CLASS_ROWS} rows "
            "with it and as many without: at least two are expected"
        )
    example = next(iter(present.filter(split_labels(present, separator).list.len() > 1).head(1).to_list()), "")
    shown = ", ".join(example) if isinstance(example, list) else example
    targets = SeveralTargets(
        name=name,
        task="classification",
        names=_free_names(name, labels, sample.columns),
        labels=labels,
        list_separator=separator,
        missing=missing,
        warnings=(
            f"cells of the target '{name}' list labels, such as '{shown[:60]}': learned as {len(labels)} labels that "
            f"a row has or does not have; `labels: single` in train.yaml makes one class of each combination",
            *warnings,
        ),
    )
    return _with_rarity(targets, sample)


def _infer_task(sample: pl.DataFrame, spec: JobSpec, missing: frozenset[str]) -> Task:
    flags = {name: _are_flags(sample[name], missing) for name in spec.targets}
    if all(flags.values()):
        return "classification"
    kinds = {name: "yes and no" if flags[name] else _describe(sample[name], missing) for name in spec.targets}
    if any(flags.values()) or any(kind != "numbers" for kind in kinds.values()):
        listed = ", ".join(f"'{name}' ({kind})" for name, kind in list(kinds.items())[:MAX_NAMED])
        numbers = all(_is_number(sample[name]) for name in spec.targets)
        hint = "; `task: regression` learns all of them as numbers" if numbers else ""
        raise InvalidTargetError(
            "several targets are all numbers (regression) or all yes and no (multi-label classification), and these "
            f"are {listed}: {_ONE_EACH}{hint}"
        )
    return "regression"


def _describe(raw: pl.Series, missing: frozenset[str]) -> str:
    if _is_number(raw):
        return "numbers"
    if raw.dtype.is_nested():
        return "lists"
    return f"text of {counted(strip_cells(raw, missing).drop_nulls().n_unique(), 'value')}"


def _is_number(raw: pl.Series) -> bool:
    if raw.dtype.is_numeric():
        return True
    try:
        infer_target(raw, JobSpec(task="regression"))
    except InvalidTargetError:
        return False
    return True


def _are_flags(raw: pl.Series, missing: frozenset[str]) -> bool:
    if raw.dtype.is_nested() or raw.dtype.is_temporal():
        return False
    cells = strip_cells(raw, missing)
    return cells.null_count() < len(cells) and as_flags(cells).null_count() == cells.null_count()


def _cast_column(raw: pl.Series, rule: TargetRule) -> pl.Series:
    if rule.task == "regression":
        return rule.cast(raw)
    return _as_label(as_flags(strip_cells(raw, rule.missing)) == 1, rule.name)


def _as_label(has_label: pl.Series, name: str) -> pl.Series:
    labels = dict(zip((False, True), LABEL_CLASSES, strict=True))
    return has_label.replace_strict(labels, return_dtype=pl.String).alias(name)


def _choose_labels(lists: pl.Series, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels with enough rows, at most MAX_TARGETS, and warnings about the others."""
    counts = lists.explode().drop_nulls().rename("label").value_counts(name="rows")
    counts = counts.sort("rows", "label", descending=[True, False])
    enough = counts.filter((pl.col("rows") >= MIN_CLASS_ROWS) & (pl.col("rows") <= len(lists) - MIN_CLASS_ROWS))
    chosen = enough.head(MAX_TARGETS)
    remaining = counts.height - chosen.height
    if not remaining:
        return tuple(sorted(chosen["label"])), ()
    dropped = counts.filter(~pl.col("label").is_in(chosen["label"].to_list()))["label"].head(MAX_NAMED)
    listed = ", ".join(f"'{label[:40]}'" for label in dropped)
    return tuple(sorted(chosen["label"])), (
        f"{counted(remaining, 'label')} of the target '{name}' with too few rows, in nearly all rows, or beyond the "
        f"{MAX_TARGETS} most frequent are not predicted, such as {listed}",
    )


def _free_names(name: str, labels: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    names = []
    for label in labels:
        column = f"{name}: {label}"
        while column in taken:
            column += "_"
        names.append(column)
    return tuple(names)


def _with_rarity(targets: SeveralTargets, sample: pl.DataFrame) -> SeveralTargets:
    """Return a copy with ``rarest_first``, the order of the labels by their number of rows.

    Raises:
        InvalidTargetError: A label has too few rows with or without it.
    """
    columns = targets.cast(sample)
    rows = [int((column == LABEL_CLASSES[1]).sum()) for column in columns]
    for label, column, with_label in zip(targets.labels, columns, rows, strict=True):
        labeled = column.count()
        if min(with_label, labeled - with_label) < MIN_CLASS_ROWS:
            raise InvalidTargetError(
                f"the target '{label}' is yes in {with_label:,} of {labeled:,} rows: at least {MIN_CLASS_ROWS} rows of "
                "each are expected"
            )
    return replace(targets, rarest_first=tuple(sorted(range(len(rows)), key=rows.__getitem__)))
