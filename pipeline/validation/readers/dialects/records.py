"""Split a delimited text into records: rows with their lines and byte ranges, before they are interpreted."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.validation.limits import MAX_FIELD_CHARACTERS, MAX_LINE_BYTES

__all__ = [
    "BLANKS",
    "Head",
    "TextRow",
    "collapse_blanks",
    "csv_delimiter",
    "csv_line",
    "parse_records",
    "read_head",
    "restore_cells",
    "split_line",
]

BLANKS = " "  # as a delimiter: runs of blanks and tabs
_SEPARATOR = "\x1f"  # stands in for a delimiter of several characters, which the csv module does not take

_HEAD_BYTES = 64 << 10
_LONG_HEAD_BYTES = 256 << 10
_MAX_HEAD_BYTES = 1 << 20
_MIN_HEAD_LINES = 400
_MIN_LONG_HEAD_LINES = 200
_MIN_WIDE_LINES = 8  # in a table with very long lines
_MAX_RETRIES = 50  # of badly quoted records: each retry may read the whole head again
_QUOTED_OR_BLANKS = re.compile(r'"(?:[^"]|"")*"|[ \t]+')


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The first lines of a file. ``offsets`` has one more entry than ``lines``: the byte behind the last one."""

    lines: tuple[str, ...]
    offsets: tuple[int, ...]
    is_complete: bool  # the file has no more lines
    skip: int = 0  # lines at the start that are not records

    @property
    def text(self) -> str:
        """Return the lines from ``skip`` on as one text."""
        return "".join(self.lines[self.skip :])


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRow:
    """One row, on one line or (quoted newlines) several."""

    line: int  # 1-based
    lines: int
    start: int  # bytes
    end: int
    text: str
    cells: tuple[str, ...] | None  # stripped; None if quotes are unclosed or misplaced
    width: int  # the number of cells

    @property
    def filled(self) -> int:
        """Return the number of cells that are not empty."""
        return self.width - (self.cells or ()).count("")


def read_head(path: Path, start: int) -> Head:
    """Read whole lines from byte ``start``: about 96 KB, and more where the lines are long."""
    size = path.stat().st_size
    for length, min_lines in (
        (_HEAD_BYTES, _MIN_HEAD_LINES),
        (_LONG_HEAD_BYTES, _MIN_LONG_HEAD_LINES),
        (_MAX_HEAD_BYTES, _MIN_WIDE_LINES),
        (MAX_LINE_BYTES + _MAX_HEAD_BYTES, 0),
    ):
        head = _read_lines(path, start, length, size)
        if head.is_complete or len(head.lines) >= min_lines:
            return head
    return head


def _read_lines(path: Path, start: int, length: int, size: int) -> Head:
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(length)
    lines = data.splitlines(keepends=True)
    is_complete = start + len(data) >= size
    if not is_complete and len(lines) > 1:
        lines.pop()  # it may be cut
    offsets = [start]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    texts = tuple(line.decode(errors="replace") for line in lines)
    return Head(lines=texts, offsets=tuple(offsets), is_complete=is_complete)


def parse_records(head: Head, delimiter: str, *, padded_quotes: bool = False) -> list[TextRow]:
    """Split the head into records, blank lines left out.

    A badly quoted record is one line without cells: a lone quote in a preamble must not hide the table.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    records = list(_Parser(head, delimiter, padded_quotes).parse())
    if not head.is_complete and len(records) > 1 and records[-1].cells is None:
        records.pop()  # its quote may close behind the head
    return records


class _Parser:
    """Feeds lines to the csv module and counts those it took."""

    def __init__(self, head: Head, delimiter: str, padded_quotes: bool) -> None:
        self._head = head
        self._position = head.skip
        self._retries = 0
        self._delimiter = delimiter
        self._reader = csv.reader(self, delimiter=csv_delimiter(delimiter), strict=True, skipinitialspace=padded_quotes)

    def parse(self) -> Iterator[TextRow]:
        while True:
            first = self._position
            cells: tuple[str, ...] | None
            try:
                cells = tuple(map(str.strip, restore_cells(next(self._reader), self._delimiter)))
            except StopIteration:
                return
            except csv.Error:
                cells = None
                self._go_back(first)
            record = self._record(first, cells)
            if record.text.strip():
                yield record

    def _go_back(self, first: int) -> None:
        if self._retries < _MAX_RETRIES:
            self._retries += 1
            self._position = first + 1

    def _record(self, first: int, cells: tuple[str, ...] | None) -> TextRow:
        head = self._head
        return TextRow(
            line=first + 1,
            lines=self._position - first,
            start=head.offsets[first],
            end=head.offsets[self._position],
            text="".join(head.lines[first : self._position]),
            cells=cells,
            width=len(cells or ()),
        )

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line for the csv module. No generator: one that has ended could not go back."""
        if self._position >= len(self._head.lines):
            raise StopIteration
        line = self._head.lines[self._position]
        self._position += 1
        return csv_line(line, self._delimiter)


def csv_delimiter(delimiter: str) -> str:
    """Return the delimiter for the csv module, for lines of csv_line."""
    return delimiter if len(delimiter) == 1 else _SEPARATOR


def csv_line(line: str, delimiter: str) -> str:
    """Rewrite a line for the csv module: one blank for a run of blanks, one character for a longer delimiter."""
    if delimiter == BLANKS:
        return collapse_blanks(line)
    return line if len(delimiter) == 1 else line.replace(delimiter, _SEPARATOR)


def collapse_blanks(line: str) -> str:
    """Write one blank for each run of blanks and tabs outside quotes, none at the ends."""
    if '"' not in line:
        return re.sub(r"[ \t]+", " ", line.strip()) + "\n"
    return _QUOTED_OR_BLANKS.sub(lambda match: match[0] if match[0][0] == '"' else " ", line.strip()) + "\n"


def restore_cells(cells: list[str], delimiter: str) -> list[str]:
    """Restore delimiters of several characters within quoted cells."""
    return cells if len(delimiter) == 1 else [cell.replace(_SEPARATOR, delimiter) for cell in cells]


def split_line(text: str, delimiter: str, *, padded_quotes: bool = False) -> tuple[str, ...] | None:
    """Split the text of one record into cells as written; None if quotes are unclosed or misplaced."""
    lines = io.StringIO(csv_line(text, delimiter), newline="")
    reader = csv.reader(lines, delimiter=csv_delimiter(delimiter), strict=True, skipinitialspace=padded_quotes)
    try:
        return tuple(restore_cells(next(reader, []), delimiter))
    except csv.Error:
        return None
