"""Detect the dialect of a delimited text file from its first and last lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.validation.readers.dialects.comments import Comments, separate_comments
from pipeline.validation.readers.dialects.delimiter import Separation, choose_delimiter, read_hint
from pipeline.validation.readers.dialects.dialect import Dialect
from pipeline.validation.readers.dialects.footer import Body, find_footer, read_tail
from pipeline.validation.readers.dialects.header import (
    TableStart,
    are_generated,
    find_named_header,
    find_rows,
    find_table,
    is_name_line,
)
from pipeline.validation.readers.dialects.layout import find_layout
from pipeline.validation.readers.dialects.messages import (
    warn_comments,
    warn_delimiter,
    warn_footer,
    warn_repeated_header,
    warn_start,
    warn_units,
)
from pipeline.validation.readers.dialects.records import TextLines, TextRow, read_head, split_line
from pipeline.validation.readers.dialects.units import is_rule, is_unit_row
from pipeline.validation.readers.options import ReadOptions

__all__ = ["detect_dialect"]

_MAX_DESCRIBED = 2  # maximum lines of units or descriptions between the header and the rows


def detect_dialect(name: str, path: Path, start: int, *, delimiter: str | None, options: ReadOptions) -> Dialect:
    """Detect the dialect of ``path``, from its first lines and its last 64 KB.

    Args:
        name: Name of the file, for messages.
        path: UTF-8 text; a few lines may have other bytes.
        start: Number of bytes of a byte order mark.
        delimiter: Delimiter that the file's name implies; None: it implies none.
        options: Options for reading the file; ``names`` are the columns of a known model.

    Raises:
        InvalidColumnsError: The file has one column.
        UnreadableDatasetError: The header has an unclosed or misplaced quote.
    """
    head = read_head(path, start)
    hint = read_hint(head)
    if hint is not None:
        head = replace(head, skip=1)
    separation = choose_delimiter(name, head, hint or delimiter, options.names)
    comments = separate_comments(separation.records, separation.delimiter, separation.width)
    if not comments.records:
        raise InvalidColumnsError(f"'{name}' holds only comment lines: a header line and rows are expected")
    table, skipped = _find_table(comments, separation.width, options)
    _check_quotes(name, comments.records, table)
    warnings = (
        *(("line 1 names the delimiter (sep=) and was skipped",) if hint is not None else ()),
        *warn_delimiter(separation, delimiter),
        *warn_comments(comments, table),
        *warn_start(comments, table, skipped),
    )
    dialect = _complete(path, head, separation, comments, table, options)
    return replace(dialect, warnings=warnings + dialect.warnings)


def _find_table(comments: Comments, width: int, options: ReadOptions) -> tuple[TableStart, TextRow | None]:
    """Return the table, and a skipped header, since a model that was trained without a header has no names."""
    records = comments.records
    named = find_named_header(records, options.names, width) if options.names else None
    if named is not None:
        return named, None
    if options.header == "none":
        return find_rows(records, width), None
    table = find_table(records, width, comments.header)
    if table.header is None or not are_generated(options.names):
        return table, None
    if is_name_line(table.header, table.profiles):
        return replace(table, header=None), table.header
    return find_rows(records, width), None


def _check_quotes(name: str, records: Sequence[TextRow], table: TableStart) -> None:
    above = records[: max(1, table.first)]
    broken = next((record for record in above if record.cells is None), None)
    if broken is None or (table.header is not None and is_name_line(table.header, table.profiles)):
        return
    raise UnreadableDatasetError(f"'{name}': the header (line {broken.line}) is not well quoted: a quote is not closed")


def _complete(  # noqa: PLR0913, PLR0917 - what was read and what was found in it
    path: Path, head: TextLines, separation: Separation, comments: Comments, table: TableStart, options: ReadOptions
) -> Dialect:
    rows = comments.records[table.first :]
    header = _header_fields(table.header, separation)
    layout = find_layout(header, rows, separation.width)
    described = _count_described(rows, table) if header else 0
    units = rows[0] if described else None
    first = rows[described:]
    above = rows[described - 1] if described else table.header
    start = first[0].start if first else above.end if above else head.offsets[-1]
    body = Body.of(first, separation, layout.extra_fields, is_complete=head.is_complete, is_known=bool(options.names))
    tail = read_tail(path, head, start)
    footer = find_footer(tail, body)
    end = footer.start if footer else path.stat().st_size
    repeated = _find_repeated(table.header, first, tail)
    return Dialect(
        delimiter=separation.delimiter,
        fields=layout.fields,
        has_header=table.header is not None,
        header_line=table.header.line if table.header else rows[0].line if rows else 1,
        start=start,
        end=end,
        comment=comments.prefix if comments.among_rows else "",
        comment_rows=table.profiles[0].typed,
        extra_fields=layout.extra_fields,
        repeats_header=repeated is not None,
        index_field=layout.index_field,
        units=units.cells or () if units else (),
        padded_quotes=separation.padded_quotes,
        warnings=(
            *warn_units(rows[:described]),
            *layout.warnings,
            *warn_repeated_header(repeated),
            *warn_footer(footer),
        ),
    )


def _count_described(rows: Sequence[TextRow], table: TableStart) -> int:
    """Return how many lines below the header hold units, types or descriptions instead of values."""
    are_described = (is_rule(row.text) or is_unit_row(row.cells or (), table.profiles) for row in rows[:_MAX_DESCRIBED])
    return sum(itertools.takewhile(bool, are_described))


def _header_fields(header: TextRow | None, separation: Separation) -> tuple[str, ...]:
    if header is None:
        return ()
    fields = split_line(header.text, separation.delimiter, padded_quotes=separation.padded_quotes)
    return fields or header.cells or ()


def _find_repeated(header: TextRow | None, rows: Sequence[TextRow], tail: TextLines) -> tuple[int, ...] | None:
    """Return the lines that repeat the header; empty if only the tail has such lines; None if there are none."""
    if header is None:
        return None
    lines = tuple(row.line for row in rows if row.cells == header.cells)
    if lines:
        return lines
    text = header.text.strip()
    return () if any(line.strip() == text for line in tail.lines) else None
