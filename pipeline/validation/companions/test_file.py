"""Read the user's file of test rows by the schema of the data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, InvalidTargetError, TooFewRowsError
from pipeline.contracts.signature import Column
from pipeline.validation.columns.cells import count_markers, describe_markers
from pipeline.validation.columns.later_columns import cast_later_column, fit_column
from pipeline.validation.columns.names import check_present, suggest
from pipeline.validation.columns.several_targets import STRATUM
from pipeline.validation.columns.target import TargetRule
from pipeline.validation.columns.weights import infer_weight, read_weights
from pipeline.validation.limits import MAX_NAMED
from pipeline.validation.readers.batches import TableRows
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.schema import Schema
from pipeline.validation.words import counted, listed

__all__ = ["CompanionTest", "match_labels", "read_test_rows"]

_NEAR = 0.6  # similarity of a label and a class that a warning compares
_MAX_SHOWN = 60  # characters of a label in a message
_TRUTH_VALUES = frozenset({"true", "false"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CompanionTest:
    """A file of test rows. ``name`` is the file's name for messages; ``rejected`` collects its rejected rows."""

    name: str
    rows: TableRows
    rejected: RejectedRows


def read_test_rows(
    test: CompanionTest, schema: Schema, classes: Sequence[str], optional: Set[str] = frozenset()
) -> tuple[pl.DataFrame, list[str]]:
    """Read test rows by the schema of the data; rows without a target, or of an unknown class, are rejected.

    Args:
        test: The file.
        schema: Schema of the data.
        classes: Labels of the training rows; empty for a regression.
        optional: Columns that the file may lack.

    Returns:
        The rows in the types of the split files, and warnings.

    Raises:
        InvalidColumnsError: A column is missing, or its cells are not of the kind that the data has.
        InvalidTargetError: The target is missing, or no training row has one of the file's labels.
        TooFewRowsError: No row is left.
    """
    raw, name, weight = _add_absent(test.rows.sample, optional), schema.target.name, schema.spec.weight
    for target in schema.several.sources if schema.several else (name,):
        if target and target not in raw.columns:
            raise InvalidTargetError(
                f"'{test.name}' has no column '{target}', the target: {suggest(target, raw.columns)}"
            )
    check_present(test.name, raw.columns, (column.name for column in schema.columns), "of the data")
    features = [_cast(test, raw[column.name], column.column, schema.missing) for column in schema.columns]
    warnings = [warning for _, column_warnings in features for warning in column_warnings]
    targets = schema.several.cast(raw) if schema.several else []
    values, unseen = _read_target(raw, schema, targets, classes)
    test.rejected.add_dropped(values.is_null() & ~unseen, f"no value in the target '{schema.target_label}'")
    test.rejected.add_dropped(unseen, "a class of the target that no training row has")
    labels = list(_warn_unseen(test, raw, unseen, schema.target, classes))
    frame = pl.DataFrame({values.name: values for values in (*(values for values, _ in features), *targets, values)})
    if weight is not None:
        frame = frame.with_columns(_read_weight(test, raw, weight, schema))
        test.rejected.add_dropped(frame[weight].is_null(), f"no positive weight in the column '{weight}'")
        frame = frame.filter(frame[weight].is_not_null())
    frame = frame.filter(frame[name].is_not_null())
    if frame.is_empty() and labels:
        raise InvalidTargetError(f"no row can be tested: {'; '.join(labels)}")
    if frame.is_empty():
        raise TooFewRowsError(
            f"'{test.name}' has no usable test row ({counted(raw.height, 'row')} in all): rows with the target "
            f"'{schema.target_label}' of the data's classes are expected"
        )
    file_warnings = [f"'{test.name}': {warning}" for warning in test.rows.warnings]
    warnings = [*file_warnings, *test.rejected.warnings, *warnings, *labels]
    return frame.drop(STRATUM, strict=False), warnings


def match_labels(raw: pl.Series, target: TargetRule, classes: Sequence[str]) -> tuple[pl.Series, pl.Series]:
    """Match labels to the classes' spelling: 1.0 is the class 1, true the class True.

    Args:
        raw: Cells as a reader returned them.
        target: Rule of the target's cells.
        classes: The labels of the training rows.

    Returns:
        The labels, null where they are not among the classes; and a mask of the rows whose label is unknown.
    """
    text = target.cast(raw)
    is_class = text.is_in(list(classes))
    labels = text.set(~is_class, None)
    by_number = pl.Series(classes, dtype=pl.String).cast(pl.Float64, strict=False)
    if by_number.null_count() == 0 and by_number.is_unique().all():
        numbered = pl.DataFrame({"number": by_number, "label": list(classes)})
        numbers = text.cast(pl.Float64, strict=False).alias("number").to_frame()
        matched = numbers.join(numbered, on="number", how="left", maintain_order="left")["label"]
        labels = labels.zip_with(is_class, matched.alias(raw.name))
    labels = labels.zip_with(labels.is_not_null(), _match_truth_values(text, classes).alias(raw.name))
    return labels, labels.is_null() & text.is_not_null()


def _match_truth_values(text: pl.Series, classes: Sequence[str]) -> pl.Series:
    """Return the classes for true and false, whose case differs between formats."""
    words = [name for name in classes if name.lower() in _TRUTH_VALUES]
    by_word = {name.lower(): name for name in words}
    if len(by_word) < len(words):  # the data distinguishes True and true
        by_word = {}
    return text.str.to_lowercase().replace_strict(by_word, default=None, return_dtype=pl.String)


def _add_absent(raw: pl.DataFrame, optional: Set[str]) -> pl.DataFrame:
    """Add optional columns that are absent, with missing values."""
    absent = sorted(optional - {*raw.columns})
    return pl.DataFrame([*raw, *(pl.Series(name, [None] * raw.height, dtype=pl.String) for name in absent)])


def _cast(test: CompanionTest, raw: pl.Series, column: Column, missing: Set[str]) -> tuple[pl.Series, list[str]]:
    try:
        later = cast_later_column(raw, column, missing)
    except InvalidColumnsError as error:
        raise InvalidColumnsError(f"'{test.name}': {error}") from None
    warnings = [f"'{test.name}': {warning}" for warning in later.warnings]
    if markers := count_markers(raw, missing):
        warnings.append(f"'{test.name}': column '{raw.name}': {describe_markers(markers)}")
    return later.values, warnings


def _read_target(
    raw: pl.DataFrame, schema: Schema, targets: Sequence[pl.Series], classes: Sequence[str]
) -> tuple[pl.Series, pl.Series]:
    """Return the target, null for a row without a value (or without one of several), and a mask of unknown labels."""
    target, none = schema.target, pl.Series([False]).new_from_index(0, raw.height)
    if schema.several:
        return schema.several.stratum(targets), none
    if target.task == "clustering":
        return pl.Series(target.name, [0.0]).new_from_index(0, raw.height), none
    if target.task == "regression":
        column = Column(name=target.name, kind="numeric", number_format=target.number_format)
        fitted, _ = fit_column(raw[target.name], column, target.missing)
        return replace(target, number_format=fitted.number_format).cast(raw[target.name]), none
    return match_labels(raw[target.name], target, classes)


def _warn_unseen(
    test: CompanionTest, raw: pl.DataFrame, unseen: pl.Series, target: TargetRule, classes: Sequence[str]
) -> Iterator[str]:
    """Describe the labels without training rows, each with the most similar class."""
    if not unseen.any():
        return
    labels = target.cast(raw[target.name]).filter(unseen).rename("label").value_counts(name="rows", sort=True)
    described = [_describe(label, rows, classes) for label, rows in labels.head(MAX_NAMED + 1).iter_rows()]
    yield (
        f"'{test.name}': {counted(labels.height, 'label')} of the target that no training row has: "
        f"{listed(described, MAX_NAMED, '; ')}"
    )


def _describe(label: str, rows: int, classes: Sequence[str]) -> str:
    quoted = f"'{label[:_MAX_SHOWN]}' ({counted(rows, 'row')})"
    folded = {name.casefold(): name for name in classes}
    if label.casefold() in folded:
        return f"{quoted} differs from '{folded[label.casefold()]}' in case"
    near = difflib.get_close_matches(label, classes, n=1, cutoff=_NEAR)
    if not near:
        return quoted
    return f"{quoted} differs from '{near[0][:_MAX_SHOWN]}'{_difference(label, near[0])}"


def _difference(label: str, near: str) -> str:
    if label.startswith(near):
        return f" by '{label[len(near) :]}' at its end"
    if label.endswith(near):
        return f" by '{label[: -len(near)]}' at its start"
    return ""


def _read_weight(test: CompanionTest, raw: pl.DataFrame, weight: str, schema: Schema) -> pl.Series:
    if weight not in raw.columns:
        return pl.Series(weight, [1.0], dtype=pl.Float32).new_from_index(0, raw.height)
    column = infer_weight(raw[weight], schema.missing, file=test.name)
    return read_weights(raw[weight], column, schema.missing)
