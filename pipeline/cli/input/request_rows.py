"""Read files as request rows, by the model's signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.parsing.missing import MISSING

if TYPE_CHECKING:
    import polars as pl

    from pipeline.contracts.signature import Signature
    from pipeline.validation.known_rows import KnownRows

__all__ = ["RequestRows", "Row", "read_files", "truths_of"]

Row = dict[str, Any]
_SLICE_ROWS = 1_000  # rows held as Python objects at once


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRows:
    """``rows`` can be iterated once. ``truths``: the target of each row, None if it is unknown; empty if none is known.

    ``verbatim``: JSON from the command line, which is sent unchanged; the API reports errors in it.
    """

    rows: Iterator[Row]
    truths: Sequence[Any] = ()
    warnings: tuple[str, ...] = ()
    verbatim: bool = False


def read_files(
    files: Sequence[tuple[str, Path]],
    signature: Signature,
    limit: int | None,
    scratch: Path,
    *,
    ignore_extra: bool = False,
) -> RequestRows:
    """Read the first ``limit`` rows of files.

    Args:
        files: Name and path of each file; the path has the suffix of the file's format.
        signature: Signature of the model.
        limit: Maximum number of rows; None for all.
        scratch: An empty folder.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        DatasetError: A file cannot be read, or lacks a column.
        InvalidRequestError: The model reads images, and the files are tables.
    """
    row_sets = [
        _read(name, path, signature, scratch / f"read-{number}", ignore_extra)
        for number, (name, path) in enumerate(files)
    ]
    frames = [rows.frame for rows in row_sets]
    labels = [_labels(rows) for rows in row_sets]
    truths = truths_of([label for file_labels in labels for label in file_labels][:limit], signature)
    several = len(files) > 1
    return RequestRows(
        rows=_limited(_iterate(frames, signature), limit),
        truths=truths,
        warnings=tuple(
            f"'{name}': {warning}" if several else warning
            for (name, _), rows in zip(files, row_sets, strict=True)
            for warning in rows.warnings
        ),
    )


def truths_of(labels: Sequence[Any], signature: Signature) -> list[Any]:
    """Return the true target of each row; None if it is missing or not finite."""
    if signature.task == "clustering":
        return []
    if signature.targets:
        truths = _labels_of_rows(labels, signature) if signature.is_multilabel else _values_of_rows(labels, signature)
        return truths if any(truth is not None for truth in truths) else []
    truths = _numbers(labels, signature) if signature.task == "regression" else _match(labels, signature)
    return truths if any(truth is not None for truth in truths) else []


def _values_of_rows(labels: Sequence[Any], signature: Signature) -> list[Any]:
    """Return a number for each target; None for a row that lacks one."""
    columns = {name: _numbers([row and row[name] for row in labels], signature) for name in signature.targets}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [None if None in row.values() else row for row in rows]


def _labels_of_rows(labels: Sequence[Any], signature: Signature) -> list[Any]:
    """Return each row's labels that the model knows; None if the row has no value."""
    import polars as pl

    from pipeline.validation.columns.casting import as_flags
    from pipeline.validation.columns.cells import strip_cells
    from pipeline.validation.columns.label_lists import find_separator, split_labels

    missing = MISSING if signature.missing is None else frozenset(signature.missing)
    if len(signature.target_columns) > 1:
        flags = [
            as_flags(strip_cells(pl.Series([row and row[name] for row in labels], dtype=pl.String), missing)).to_list()
            for name in signature.targets
        ]
        return [
            None if None in row else [name for name, has in zip(signature.classes, row, strict=True) if has]
            for row in zip(*flags, strict=True)
        ]
    cells = strip_cells(pl.Series(labels, dtype=pl.String), missing)
    separator = find_separator(cells.drop_nulls(), is_multilabel=True) or signature.separator
    lists = split_labels(cells, separator).to_list()
    return [None if row is None else [label for label in signature.classes if label in row] for row in lists]


def _read(name: str, path: Path, signature: Signature, workdir: Path, ignore_extra: bool) -> KnownRows:
    from pipeline.validation.known_rows import read_known_rows
    from pipeline.validation.readers.formats import find_format

    images = any(column.kind == "image" for column in signature.columns)
    form = find_format(path.name)
    if images and form.kind != "arrays":
        raise InvalidRequestError(f"the model reads images, and '{name}' is a table: png, jpg, npz or zip is expected")
    workdir.mkdir()
    return read_known_rows(name, path, signature, workdir, form=form, ignore_extra=ignore_extra)


def _labels(rows: KnownRows) -> list[Any]:
    return [None] * rows.frame.height if rows.labels is None else rows.labels.to_list()


def _limited(rows: Iterator[Row], limit: int | None) -> Iterator[Row]:
    from itertools import islice

    return islice(rows, limit)


def _iterate(frames: Sequence[pl.DataFrame], signature: Signature) -> Iterator[Row]:
    images = {column.name: column.shape for column in signature.columns if column.kind == "image"}
    for frame in frames:
        for piece in frame.iter_slices(_SLICE_ROWS):
            for row in piece.iter_rows(named=True):
                yield row | {name: _nest(row[name], shape) for name, shape in images.items()}


def _nest(pixels: bytes | None, shape: tuple[int, ...]) -> list[Any] | None:
    """Return an image as the nested arrays of a request."""
    import numpy as np

    if pixels is None:
        return None
    nested: list[Any] = np.frombuffer(pixels, np.uint8).reshape(shape).tolist()
    return nested


def _numbers(labels: Sequence[str | None], signature: Signature) -> list[float | None]:
    import polars as pl

    from pipeline.contracts.signature import Column
    from pipeline.validation.columns.casting import cast_column

    column = Column(name=signature.target, kind="numeric", number_format=signature.target_format, is_wide=True)
    missing = MISSING if signature.missing is None else frozenset(signature.missing)
    return cast_column(pl.Series(signature.target, labels, dtype=pl.String), column, missing).to_list()


def _match(labels: Sequence[str | None], signature: Signature) -> list[str | None]:
    """Spell labels as the model spells its classes; an unknown label stays, and counts as wrong."""
    import polars as pl

    from pipeline.validation.columns.target import TargetRule
    from pipeline.validation.companions.test_file import match_labels

    missing = MISSING if signature.missing is None else frozenset(signature.missing)
    rule = TargetRule(  # a word such as None may be a class
        name=signature.target, task="classification", missing=missing - set(signature.classes)
    )
    raw = pl.Series(signature.target, labels, dtype=pl.String)
    matched, _ = match_labels(raw, rule, signature.classes)
    return matched.fill_null(rule.cast(raw)).to_list()
