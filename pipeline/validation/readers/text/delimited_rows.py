"""Read the rows of one block of delimited text.

polars reads regular blocks. The csv module reads row by row the blocks that polars refuses or would read with missing
cells, and gives line numbers: broken rows are rejected, and polars reads the other rows in a regular form.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from typing import IO

import polars as pl

from pipeline.parsing.missing import MISSING
from pipeline.validation.readers.dialects.cells import number_of
from pipeline.validation.readers.dialects.dialect import Dialect
from pipeline.validation.readers.dialects.records import BLANKS
from pipeline.validation.readers.text.chunks import Block
from pipeline.validation.readers.text.quoted_rows import STRAY_QUOTE, split_rows
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["read_rows"]

_SEPARATOR = "\x1f"  # replaces a delimiter of several bytes, which polars does not support
_HEAD_BYTES = 1 << 10
_EXTRA = "\x1fextra"  # prefix of temporary names, which no header cell has


def read_rows(
    block: Block, dialect: Dialect, names: Sequence[str], numbers: Collection[str], rejected: RejectedRows
) -> pl.DataFrame:
    """Read the rows of one block.

    Args:
        block: Whole rows of UTF-8 text, without the header.
        dialect: Dialect of the rows.
        names: Names of the columns, one per field of a row.
        numbers: Columns that become Float64 if all their cells are plain numbers; all other columns are String.
        rejected: Collects the unreadable rows.

    Returns:
        All columns in the order of ``names``; an empty cell is null.
    """
    frame = _read_regular(block.data, dialect, names, numbers)
    if frame is None and numbers:
        frame = _read_regular(block.data, dialect, names, ())
        frame = None if frame is None else _cast_numbers(frame, numbers)
    return _cast_numbers(_read_each(block, dialect, names, rejected), numbers) if frame is None else frame


def _read_regular(data: bytes, dialect: Dialect, names: Sequence[str], numbers: Collection[str]) -> pl.DataFrame | None:
    """Read the block with polars; None if a row has another width, or a cell of ``numbers`` is not a number."""
    regular = _make_regular(data, dialect)
    if regular is None:
        return None
    data, separator = regular
    if not data[:_HEAD_BYTES].strip(b"\r\n") and not data.strip(b"\r\n"):
        return _empty(names, numbers)
    extra = [f"{_EXTRA}{index}" for index in range(dialect.extra_fields)]
    types = {name: pl.Float64 if name in numbers else pl.String for name in names} | dict.fromkeys(extra, pl.String)
    try:
        frame = pl.read_csv(
            data, has_header=False, separator=separator, schema=types, comment_prefix=dialect.comment or None
        )
    except pl.exceptions.PolarsError:
        return None
    table = _drop_blank_lines(frame, data, separator, dialect)
    if table is None or any(series.null_count() < table.height for series in table.get_columns()[len(names) :]):
        return None
    rows = pl.DataFrame(table.get_columns()[: len(names)])
    if _holds_header(rows, dialect) or (b'"' in data and _may_hold_stray_quotes(rows, data, dialect)):
        return None
    return rows


def _may_hold_stray_quotes(rows: pl.DataFrame, data: bytes, dialect: Dialect) -> bool:
    """Return whether the lines of a quoted cell may be rows, since they have as many delimiters as rows have."""
    if rows.height >= data.count(b"\n") + (not data.endswith(b"\n")):
        return False
    delimiters = dialect.width + dialect.extra_fields - 1
    for series in rows.get_columns():
        if series.dtype == pl.String:
            cells = series.filter(series.str.contains("\n", literal=True))
            line_ends = cells.str.count_matches("\n", literal=True)
            if (cells.str.count_matches(dialect.delimiter, literal=True) == line_ends * delimiters).any():
                return True
    return False


def _drop_blank_lines(frame: pl.DataFrame, data: bytes, separator: str, dialect: Dialect) -> pl.DataFrame | None:
    """Drop blank lines; None if a row may be too short, since polars fills short rows with nulls."""
    if frame.get_columns()[-1].null_count() == 0:
        return frame
    rows = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if b'"' in data or dialect.comment:
        return None
    return rows if data.count(separator.encode()) == (frame.width - 1) * rows.height else None


def _make_regular(data: bytes, dialect: Dialect) -> tuple[bytes, str] | None:
    """Rewrite the block for polars, and return it with its separator; None if that is not possible."""
    quoted = b'"' in data
    if quoted and (dialect.padded_quotes or dialect.comment or dialect.delimiter == BLANKS):
        return None
    if b"\r" in data and data.count(b"\r") > data.count(b"\r\n"):
        if quoted:
            return None
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if dialect.comment and not dialect.comment_rows and _holds_marked_row(data, dialect):
        return None
    delimiter = dialect.delimiter.encode()
    if dialect.delimiter == BLANKS:
        return _collapse_blanks(data), BLANKS
    if len(delimiter) > 1:
        separator = _SEPARATOR.encode()
        return None if quoted or separator in data else (data.replace(delimiter, separator), _SEPARATOR)
    return data, dialect.delimiter


def _collapse_blanks(data: bytes) -> bytes:
    """Replace each run of blanks with one blank; ten times as fast as a pattern."""
    data = data.replace(b"\r\n", b"\n").replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.replace(b"\n ", b"\n").replace(b" \n", b"\n").strip(b" ")


def _holds_marked_row(data: bytes, dialect: Dialect) -> bool:
    """Return whether a line begins as a comment and is as wide as a row."""
    lines = re.findall(rb"(?m)^" + re.escape(dialect.comment.encode()) + rb"[^\n]*", data)
    return any(line.count(dialect.delimiter.encode()) >= dialect.width - 1 for line in lines)


def _holds_header(rows: pl.DataFrame, dialect: Dialect) -> bool:
    """Return whether a row repeats the header or its unit row. Columns of numbers are not compared."""
    for fields in (dialect.fields if dialect.has_header else (), dialect.units):
        if len(fields) != rows.width or _are_foreign(rows, fields):
            continue
        texts = [pair for pair in zip(rows.get_columns(), fields, strict=True) if pair[0].dtype == pl.String]
        hits = pl.repeat(value=bool(texts), n=rows.height, eager=True)
        for series, field in texts:
            if not hits.any():
                break
            hits &= series.str.strip_chars().fill_null("") == field.strip()
        if hits.any():
            return True
    return False


def _are_foreign(rows: pl.DataFrame, fields: Sequence[str]) -> bool:
    """Return whether a field of a numeric column is not a number, so that no row can equal the fields."""
    return any(
        series.dtype != pl.String and number_of(field) is None
        for series, field in zip(rows.get_columns(), fields, strict=True)
    )


def _empty(names: Sequence[str], numbers: Collection[str]) -> pl.DataFrame:
    return pl.DataFrame(schema={name: pl.Float64 if name in numbers else pl.String for name in names})


def _cast_numbers(frame: pl.DataFrame, numbers: Collection[str]) -> pl.DataFrame:
    """Cast the columns in which all cells are numbers or missing, so that a word affects only its own column."""
    return pl.DataFrame([_cast(series) if series.name in numbers else series for series in frame.get_columns()])


def _cast(series: pl.Series) -> pl.Series:
    if series.dtype != pl.String:
        return series
    values = series.set(series.is_in(list(MISSING)), None)
    numbers = values.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == values.null_count() else series


def _read_each(block: Block, dialect: Dialect, names: Sequence[str], rejected: RejectedRows) -> pl.DataFrame:
    """Rewrite the good rows in a regular form, and read these."""
    data = io.BytesIO()
    regular = io.TextIOWrapper(data, encoding="utf-8", newline="")
    if not _write_regular(block, dialect, rejected, regular):
        return _empty(names, ())
    regular.flush()
    return pl.read_csv(data.getvalue(), has_header=False, schema=dict.fromkeys(names, pl.String))


def _write_regular(block: Block, dialect: Dialect, rejected: RejectedRows, regular: IO[str]) -> int:
    """Write the rows with the right width, and return their number."""
    valid = 0
    writer = csv.writer(regular, lineterminator="\n")
    headers = _stripped_headers(dialect)
    for row in split_rows(block.data, dialect, block.line):
        fields = row.fit(dialect)
        repeats = fields is not None and [field.strip() for field in fields] in headers
        if fields is not None and not repeats:
            valid += 1
            if row.is_repaired:
                rejected.add_repaired(row.line, STRAY_QUOTE)
            writer.writerow(fields)
        elif repeats and dialect.repeats_header:
            continue
        elif row.text.strip():
            reason = "repeats the header" if repeats else row.reason
            rejected.add_broken(line=row.line, reason=reason, text=row.text, lines=row.lines)
    return valid


def _stripped_headers(dialect: Dialect) -> list[list[str]]:
    lines = [dialect.fields if dialect.has_header else (), dialect.units]
    return [[field.strip() for field in fields] for fields in lines if fields]
