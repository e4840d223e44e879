"""Split delimited text into records: rows with their line numbers and byte ranges, before they are interpreted."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.validation.limits import MAX_FIELD_CHARACTERS, MAX_LINE_BYTES

__all__ = [
    "BLANKS",
    "RecordLines",
    "TextLines",
    "TextRow",
    "csv_delimiter",
    "csv_line",
    "parse_records",
    "read_head",
    "restore_cells",
    "split_line",
    "split_lines",
]

BLANKS = " "  # this delimiter means runs of blanks and tabs
_SEPARATOR = "\x1f"  # replaces a delimiter of several characters, which the csv module does not support

_HEAD_BYTES = 64 << 10
_LONG_HEAD_BYTES = 256 << 10
_MAX_HEAD_BYTES = 1 << 20
_MIN_HEAD_LINES = 400
_MIN_LONG_HEAD_LINES = 200
_MIN_WIDE_LINES = 8  # minimum lines for a table with very long lines
_MAX_RETRIES = 50  # maximum badly quoted records that are read again: each may read the whole head again
_QUOTED_OR_BLANKS = re.compile(r'"(?:[^"]|"")*"|[ \t]+')


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLines:
    """The first lines of a file, or the last ones."""

    lines: tuple[str, ...]
    offsets: tuple[int, ...]  # bytes where the lines begin, and where the last line ends
    is_complete: bool = False  # whether these are all lines of the file
    skip: int = 0  # number of lines at the start that are not records
    first_line: int | None = 1  # number of the first line; None: the lines before were not counted

    @property
    def text(self) -> str:
        """Return the lines from ``skip`` on as one text."""
        return "".join(self.lines[self.skip :])


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRow:
    """One row, on one line or (quoted newlines) several."""

    line: int  # 1-based number of the first line
    lines: int  # number of lines
    start: int  # byte where the row begins
    end: int  # byte after the row
    text: str
    cells: tuple[str, ...] | None  # stripped; None if quotes are unclosed or misplaced

    @property
    def width(self) -> int:
        """Return the number of cells."""
        return len(self.cells or ())

    @property
    def filled(self) -> int:
        """Return the number of cells that are not empty."""
        return self.width - (self.cells or ()).count("")


def read_head(path: Path, start: int) -> TextLines:
    """Read whole lines from byte ``start``: 64 KB, or more if that has too few lines."""
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


def _read_lines(path: Path, start: int, length: int, size: int) -> TextLines:
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(length)
    lines, offsets = split_lines(data, start)
    is_complete = start + len(data) >= size
    if not is_complete and len(lines) > 1:
        lines, offsets = lines[:-1], offsets[:-1]  # the last line may be cut
    return TextLines(lines=lines, offsets=offsets, is_complete=is_complete)


def split_lines(data: bytes, start: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the lines of ``data``, which begins at byte ``start``, and where each begins and the last one ends."""
    lines = data.splitlines(keepends=True)
    offsets = itertools.accumulate(map(len, lines), initial=start)
    return tuple(line.decode(errors="replace") for line in lines), tuple(offsets)


def parse_records(head: TextLines, delimiter: str, *, padded_quotes: bool = False) -> list[TextRow]:
    """Split the head into records; blank lines are left out.

    A badly quoted record becomes one line without cells: a single quote in a preamble must not hide the table.
    """
    lines = RecordLines(head.lines[head.skip :], delimiter, first_line=head.skip + 1)
    records: list[TextRow] = []
    retries = 0
    for line, texts, fields in lines.read_records(padded_quotes=padded_quotes):
        if fields is None and retries < _MAX_RETRIES:
            retries += 1
            lines.put_back(texts[1:])
            del texts[1:]
        text = "".join(texts)
        if text.strip():
            start, end = head.offsets[line - 1], head.offsets[line - 1 + len(texts)]
            cells = None if fields is None else tuple(map(str.strip, fields))
            records.append(TextRow(line=line, lines=len(texts), start=start, end=end, text=text, cells=cells))
    if not head.is_complete and len(records) > 1 and records[-1].cells is None:
        records.pop()  # the closing quote may be after the head
    return records


class RecordLines:
    """Feeds lines to the csv module, remembers the lines of the current record, and can read lines again."""

    def __init__(
        self, lines: Iterable[str], delimiter: str, *, first_line: int, is_skipped: Callable[[str], bool] | None = None
    ) -> None:
        """Begin before the first line.

        Args:
            lines: Lines of the text.
            delimiter: Delimiter of the fields.
            first_line: Number of the first line.
            is_skipped: Returns whether a line between two records is a comment; None: there are no comments.
        """
        self._lines = iter(lines)
        self._delimiter = delimiter
        self._line = first_line - 1
        self._is_skipped = is_skipped
        self._record: list[str] = []
        self._ahead: list[str] = []  # lines to read again, the next one last

    def read_records(self, *, padded_quotes: bool) -> Iterator[tuple[int, list[str], list[str] | None]]:
        """Yield the first line number, the lines and the fields of each record; None as fields if it is badly quoted.

        After a badly quoted record, the csv module continues at the next line.
        """
        csv.field_size_limit(MAX_FIELD_CHARACTERS)
        reader = csv.reader(self, delimiter=csv_delimiter(self._delimiter), strict=True, skipinitialspace=padded_quotes)
        while True:
            fields: list[str] | None
            try:
                fields = restore_cells(next(reader), self._delimiter)
            except StopIteration:
                return
            except csv.Error:
                fields = None
            texts, self._record = self._record, []
            yield self._line - len(texts) + 1, texts, fields

    def put_back(self, lines: Sequence[str]) -> None:
        """Put back the last lines, to read them again."""
        self._ahead += reversed(lines)
        self._line -= len(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line for the csv module. Not a generator, which could not continue after its end."""
        while True:
            line = self._ahead.pop() if self._ahead else next(self._lines)
            self._line += 1
            if self._record or self._is_skipped is None or not self._is_skipped(line):
                self._record.append(line)
                return csv_line(line, self._delimiter)


def csv_delimiter(delimiter: str) -> str:
    """Return the delimiter that the csv module needs for lines from ``csv_line``."""
    return delimiter if len(delimiter) == 1 else _SEPARATOR


def csv_line(line: str, delimiter: str) -> str:
    """Rewrite a line for the csv module: a run of blanks becomes one blank, a longer delimiter one character."""
    if delimiter == BLANKS:
        return _collapse_blanks(line)
    return line if len(delimiter) == 1 else line.replace(delimiter, _SEPARATOR)


def _collapse_blanks(line: str) -> str:
    """Replace each run of blanks and tabs outside quotes with one blank, and strip the ends."""
    if '"' not in line:
        return re.sub(r"[ \t]+", " ", line.strip()) + "\n"
    return _QUOTED_OR_BLANKS.sub(lambda match: match[0] if match[0][0] == '"' else " ", line.strip()) + "\n"


def restore_cells(cells: list[str], delimiter: str) -> list[str]:
    """Restore delimiters of several characters within quoted cells."""
    return cells if len(delimiter) == 1 else [cell.replace(_SEPARATOR, delimiter) for cell in cells]


def split_line(text: str, delimiter: str, *, padded_quotes: bool = False) -> tuple[str, ...] | None:
    """Split the text of one record into unmodified cells; None if quotes are unclosed or misplaced."""
    lines = io.StringIO(csv_line(text, delimiter), newline="")
    reader = csv.reader(lines, delimiter=csv_delimiter(delimiter), strict=True, skipinitialspace=padded_quotes)
    try:
        return tuple(restore_cells(next(reader, []), delimiter))
    except csv.Error:
        return None
