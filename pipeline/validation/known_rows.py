"""Read later files of a known model by the rules of its training file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column, Signature
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.parsing.missing import choose_markers
from pipeline.validation.columns.casting import as_numbers, as_text
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.later_columns import cast_later_column
from pipeline.validation.columns.names import check_present
from pipeline.validation.limits import MAX_NAMED
from pipeline.validation.readers.batches import TableRows, open_rows
from pipeline.validation.readers.formats import Format
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.source import Source
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.words import counted

__all__ = ["KnownRows", "first_options", "later_options", "read_known_rows"]

_ISO = "%Y-%m-%dT%H:%M:%S%.6fZ"


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownRows:
    """Rows of a later file.

    ``frame`` holds the model's columns as a request writes them: numbers, truth values, texts, dates as ISO 8601 or as
    the file's numbers, images as bytes; null where missing. ``labels``: the target as text, or for several target
    columns a struct of their texts; None if the file lacks a target.
    """

    frame: pl.DataFrame
    labels: pl.Series | None
    warnings: tuple[str, ...]


def first_options(spec: JobSpec) -> ReadOptions:
    """Return the read options that train.yaml sets for a first file."""
    return ReadOptions(header=spec.header, encoding=spec.encoding or "", sheet=spec.sheet or "")


def later_options(spec: JobSpec, rows: TableRows) -> ReadOptions:
    """Return the read options of a file that accompanies the data."""
    return replace(first_options(spec), header=rows.header, names=rows.names.names)


def read_known_rows(  # noqa: PLR0913 - a file, its model, and how it is read
    name: str,
    path: Path,
    signature: Signature,
    workdir: Path,
    *,
    form: Format | None = None,
    ignore_extra: bool = False,
) -> KnownRows:
    """Read a file by a model's signature.

    Args:
        name: Name of the file, for messages.
        path: Path of the file.
        signature: Signature of the model.
        workdir: An empty folder for temporary files.
        form: Format of the file; None: the format by the ending of ``name``.
        ignore_extra: Whether columns that the model does not read are ignored.

    Raises:
        DatasetError: The file cannot be read, lacks a column, or has a column that the model does not read.
    """
    rejected = RejectedRows(workdir / "rejected.jsonl")
    source = Source.of_file(name, path, form)
    options = ReadOptions(
        header=signature.header,
        encoding=signature.encoding,
        sheet=signature.sheet,
        names=(*(column.name for column in signature.columns), *signature.target_columns),
    )
    image = next((column.shape for column in signature.columns if column.kind == "image"), ())
    rows = open_rows(source, workdir, options, rejected, image=image)
    missing = choose_markers(signature.missing)
    _check_names(name, rows, signature, ignore_extra=ignore_extra)
    columns = [_request_cells(rows.sample, column, missing) for column in signature.columns]
    cell_warnings = [warning for _, warnings in columns for warning in warnings]
    return KnownRows(
        frame=pl.DataFrame([cells for cells, _ in columns]),
        labels=_read_labels(rows.sample, signature),
        warnings=(*rows.warnings, *rejected.warnings, *cell_warnings),
    )


def _read_labels(frame: pl.DataFrame, signature: Signature) -> pl.Series | None:
    """Return the file's values of the targets; None if one is missing."""
    names = signature.target_columns
    if not names or not set(names) <= {*frame.columns}:
        return None
    columns = [_as_label(frame[name]) for name in names]
    return pl.DataFrame(columns).to_struct() if len(names) > 1 else columns[0]


def _as_label(cells: pl.Series) -> pl.Series:
    if cells.dtype.is_nested():  # a list of labels
        return pl.Series(cells.name, [None if cell is None else json.dumps(cell) for cell in cells.to_list()])
    return as_text(strip_cells(cells, frozenset()))


def _check_names(name: str, rows: TableRows, signature: Signature, *, ignore_extra: bool) -> None:
    required = [column.name for column in signature.columns if not column.is_optional]
    check_present(name, rows.sample.columns, required, "that the model reads")
    expected = {
        *(column.name for column in signature.columns),
        *signature.target_columns,
        *signature.unread,
        *rows.names.unnamed,
    }
    extra = [column for column in rows.sample.columns if column not in expected]
    if extra and not ignore_extra:
        shown = ", ".join(f"'{column}'" for column in extra[:MAX_NAMED])
        more = f" and {len(extra) - MAX_NAMED:,} more" if len(extra) > MAX_NAMED else ""
        raise InvalidColumnsError(
            f"'{name}' has {counted(len(extra), 'column')} that the model does not read: {shown}{more}; "
            "--ignore-extra ignores what it does not read"
        )


def _request_cells(frame: pl.DataFrame, column: Column, missing: frozenset[str]) -> tuple[pl.Series, Sequence[str]]:
    if column.name not in frame.columns:
        return pl.Series(column.name, [None]).new_from_index(0, frame.height), ()
    later = cast_later_column(frame[column.name], column, missing)
    values = later.exact
    if column.kind == "boolean":
        values = values.cast(pl.Boolean)
    elif column.kind == "datetime":
        values = _as_request_dates(later.cells, values, column)
    return values.alias(column.name), later.warnings


def _as_request_dates(cells: pl.Series, seconds: pl.Series, column: Column) -> pl.Series:
    """Return the numbers if all dates are numbers in the column's unit, else ISO 8601 texts."""
    if column.time_unit not in ("", "hh.mm.ss") and not cells.dtype.is_temporal():
        numbers = as_numbers(cells, Column(name=column.name, kind="numeric", is_wide=True))
        if not (numbers.is_null() & seconds.is_not_null()).any():
            return numbers.set(seconds.is_null(), None)
    times = pl.from_epoch((seconds * 1e6).round().cast(pl.Int64), time_unit="us")
    return times.dt.strftime(_ISO)
