"""Split text into rows, and distinguish quotes around cells from quotes that are characters of a text."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from pipeline.validation.readers.dialects.cells import is_missing, kind_of
from pipeline.validation.readers.dialects.dialect import Dialect
from pipeline.validation.readers.dialects.profiles import ColumnEvidence, profile_columns
from pipeline.validation.readers.dialects.records import (
    RecordLines,
    csv_delimiter,
    csv_line,
    restore_cells,
    split_line,
)
from pipeline.validation.words import counted

__all__ = ["STRAY_QUOTE", "Row", "split_rows"]

STRAY_QUOTE = "holds a stray quote, read as a character"
_MAX_PROFILED = 500  # maximum rows that are profiled
_MIN_FIT_FRACTION = 0.9  # minimum fraction of cells that fit their columns of numbers, dates or categories
_MIN_WIDTH = 3  # minimum width of rows that are recognized only by their width
_MIN_LINES = 3  # minimum number of such rows
_MAX_COMPARED = 50  # lines compared after an unclosed quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row of the text; ``fields`` is None if its quotes are unclosed or misplaced."""

    line: int
    lines: int
    text: str
    fields: list[str] | None
    is_decoded: bool  # whether all bytes are UTF-8
    is_repaired: bool = False  # whether a quote was read as a character

    def fit(self, dialect: Dialect) -> list[str] | None:
        """Return the fields of a row of the table's width, without empty extra fields at its end; else None."""
        return _fit(self.fields, dialect) if self.is_decoded and self.fields is not None else None

    @property
    def reason(self) -> str:
        """Return the reason for rejecting the row."""
        if not self.is_decoded:
            return "holds bytes that are not UTF-8 text"
        if self.fields is not None:
            return f"has {counted(len(self.fields), 'field')}"
        last = f" (up to line {self.line + self.lines - 1:,})" if self.lines > 1 else ""
        return f"has an unclosed or misplaced quote{last}"


def split_rows(data: bytes, dialect: Dialect, first_line: int) -> Iterator[Row]:
    """Split all rows.

    A line with an unclosed or misplaced quote is read with its quotes as characters if it then has the table's width.
    The lines of a quoted cell are read like this too if they are whole rows: the cell's quotes are then two stray ones.

    Args:
        data: Whole rows in UTF-8, except a few bytes.
        dialect: Dialect of the rows.
        first_line: Number of the first line of ``data`` in the file.
    """
    profile = cache(partial(_profile_rows, data, dialect))
    lines = _open_lines(data, dialect, first_line)
    for line, texts, fields in lines.read_records(padded_quotes=dialect.padded_quotes):
        if fields is None and (len(texts) == 1 or _precedes_rows(texts, profile(), dialect)):
            lines.put_back(texts[1:])
            characters = _read_as_characters(texts[0], dialect)
            yield _make_row(line, texts[:1], characters, is_repaired=characters is not None)
        elif (
            fields is not None
            and len(texts) > 1
            and (table := _read_rows(texts, dialect))
            and _are_rows(table, profile(), dialect, min_lines=_MIN_LINES)
        ):
            last = len(table) - 1
            for index, (text, cells) in enumerate(zip(texts, table, strict=True)):
                yield _make_row(line + index, [text], cells, is_repaired=index in (0, last))
        else:
            yield _make_row(line, texts, fields)


def _open_lines(data: bytes, dialect: Dialect, first_line: int) -> RecordLines:
    """Return the lines of the data; comments between rows are skipped."""
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="surrogateescape", newline="")
    is_comment = partial(_is_comment, dialect) if dialect.comment else None
    return RecordLines(lines, dialect.delimiter, first_line=first_line, is_skipped=is_comment)


def _is_comment(dialect: Dialect, line: str) -> bool:
    if not line.lstrip().startswith(dialect.comment):
        return False
    return dialect.comment_rows or len(split_line(line, dialect.delimiter) or ()) < dialect.width


def _make_row(line: int, texts: Sequence[str], fields: list[str] | None, *, is_repaired: bool = False) -> Row:
    text = "".join(texts)
    shown = text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")
    return Row(
        line=line, lines=len(texts), text=shown, fields=fields, is_decoded=shown == text, is_repaired=is_repaired
    )


def _fit(fields: list[str], dialect: Dialect) -> list[str] | None:
    extra = fields[dialect.width :]
    if len(fields) < dialect.width or len(extra) > dialect.extra_fields or any(map(str.strip, extra)):
        return None
    return fields[: dialect.width]


def _read_as_characters(text: str, dialect: Dialect) -> list[str] | None:
    """Split a badly quoted line; None if it does not have the table's width."""
    line = csv_line(text.rstrip("\r\n"), dialect.delimiter).rstrip("\n")
    delimiter = csv_delimiter(dialect.delimiter)
    for fields in (_split_at_ends(line, delimiter), line.split(delimiter)):
        if _fit(fields, dialect) is not None:
            return restore_cells(fields, dialect.delimiter)
    return None


def _split_at_ends(line: str, delimiter: str) -> list[str]:
    """Split a line; quotes at both ends of a field delimit it, and all other quotes are characters of it."""
    pattern = _field_pattern(delimiter)
    fields: list[str] = []
    position = 0
    while match := pattern.match(line, position):
        inner = match["inner"]
        fields.append(match["bare"] if inner is None else inner.replace('""', '"'))
        if match.end() == len(line):
            break
        position = match.end() + len(delimiter)
    return fields


@cache
def _field_pattern(delimiter: str) -> re.Pattern[str]:
    end = rf"(?:{re.escape(delimiter)}|\Z)"
    return re.compile(rf'[ \t]*"(?P<inner>(?:[^"]|"(?!{end}))*)"(?={end})|(?P<bare>.*?)(?={end})', re.DOTALL)


def _read_rows(texts: Sequence[str], dialect: Dialect) -> list[list[str]] | None:
    """Return the fields of each line of a quoted cell; None if a line does not have the table's width."""
    rows = []
    for text in texts:
        fields = _read_as_characters(text, dialect)
        if fields is None:
            return None
        rows.append(fields)
    return rows


def _precedes_rows(texts: Sequence[str], profiles: Sequence[ColumnEvidence], dialect: Dialect) -> bool:
    """Return whether the lines after an unclosed quote are rows."""
    following = texts[1 : 1 + _MAX_COMPARED]
    table = [fields for text in following if (fields := _read_as_characters(text, dialect)) is not None]
    return len(table) >= _MIN_FIT_FRACTION * len(following) and _are_rows([[], *table], profiles, dialect)


def _are_rows(
    table: Sequence[Sequence[str]], profiles: Sequence[ColumnEvidence], dialect: Dialect, *, min_lines: int = 0
) -> bool:
    """Return whether the lines after the first hold values of the columns, unlike a poem with a comma in each line.

    If all columns are texts, the lines are rows if the delimiter is a tab, or if there are ``min_lines`` lines or more
    with at least _MIN_WIDTH fields.
    """
    pairs = [
        (cell.strip().strip('"'), profile)
        for row in table[1:]
        for cell, profile in zip(row, profiles, strict=False)
        if profile.typed or profile.categories
    ]
    if not pairs:
        is_clear = dialect.delimiter == "\t" or (len(table) >= min_lines and dialect.width >= _MIN_WIDTH)
        return bool(profiles) and is_clear
    fits = sum(
        is_missing(cell) or (profile.holds(kind_of(cell)) if profile.typed else cell in profile.values)
        for cell, profile in pairs
    )
    return fits >= _MIN_FIT_FRACTION * len(pairs)


def _profile_rows(data: bytes, dialect: Dialect) -> tuple[ColumnEvidence, ...]:
    """Profile the rows that are on one line; empty if most rows span several lines."""
    lines = _open_lines(data, dialect, 1)
    rows = 0
    table = []
    records = lines.read_records(padded_quotes=dialect.padded_quotes)
    for line, texts, fields in itertools.islice(records, _MAX_PROFILED):
        rows += 1
        if fields is None:
            lines.put_back(texts[1:])
        elif len(texts) == 1 and (cells := _make_row(line, texts, fields).fit(dialect)):
            table.append([cell.strip() for cell in cells])
    return profile_columns(table, dialect.width) if 2 * len(table) > rows else ()
