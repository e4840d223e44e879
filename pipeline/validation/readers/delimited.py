"""csv and its kin.

polars reads a regular file. What it refuses, or would read in silence with cells missing, is read again row by row by
the csv module, which knows the lines: broken rows are set aside, and polars reads the rest in a regular form.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts.errors import InvalidColumnsError, UnreadableDatasetError
from pipeline.validation.columns.names import check_cells, check_names
from pipeline.validation.limits import MOST_FIELD_CHARACTERS
from pipeline.validation.readers.text_file import DELIMITERS, TextFile
from pipeline.validation.rejected_rows import RejectedRows
from pipeline.validation.words import counted

__all__ = ["check_rows", "header_of", "read_block", "read_delimited", "tell_delimiter"]

_SAMPLE_ROWS = 50
_NUMBER = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)


def read_delimited(text: TextFile, delimiter: str, aside: RejectedRows) -> pl.DataFrame:
    """All columns as String, names trimmed, an empty cell as null.

    Raise InvalidColumnsError for a header that cannot be used, MalformedRowsError when too many rows are broken,
    UnreadableDatasetError when there are too many cells.
    """
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    names = header_of(text, delimiter)
    check_cells(text.name, len(names) * text.counts["\n"])
    frame = None if text.lone_returns else _read_regular(text, delimiter, names)
    if frame is None:
        regular = text.path.with_suffix(".regular")
        good = _write_regular(text, delimiter, len(names), regular, aside)
        check_rows(aside, good - 1, len(names))
        frame = _read(regular, ",", names)
    return frame


def tell_delimiter(text: TextFile) -> str:
    """The one that cuts most of the first rows into as many fields as the header, and into the most.

    Raise InvalidColumnsError when none makes two columns.
    """
    csv.field_size_limit(MOST_FIELD_CHARACTERS)
    found = max(DELIMITERS, key=lambda one: _fit(text, one))
    if _fit(text, found) == (0.0, 0):
        raise InvalidColumnsError(
            f"'{text.name}' has one column, or a header (line 1) that is not well quoted: names and values are "
            "expected with a comma, semicolon, tab or '|' between them"
        )
    return found


def _fit(text: TextFile, delimiter: str) -> tuple[float, int]:
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        try:
            widths = [len(row) for row in itertools.islice(rows, _SAMPLE_ROWS) if row]
        except csv.Error:
            return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return Counter(widths)[widths[0]] / len(widths), widths[0]


def header_of(text: TextFile, delimiter: str) -> list[str]:
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        try:
            names = next(row for row in csv.reader(file, delimiter=delimiter, strict=True) if row)
        except csv.Error as error:
            raise UnreadableDatasetError(
                f"'{text.name}': the header (line 1) is not well quoted: a quote that opens must close"
            ) from error
    names = [name.strip() for name in names]
    if any(_NUMBER.fullmatch(name) for name in names):
        raise InvalidColumnsError("line 1 holds numbers: a header with the columns' names is expected there")
    check_names(names)
    return names


def _read_regular(text: TextFile, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """None when the file is not regular. polars fills a short row with nulls: a null at its end may be one."""
    try:
        frame = _read(text.path, delimiter, names)
    except pl.exceptions.PolarsError:
        return None
    if frame.width != len(names):
        return None
    if frame[names[-1]].null_count() == 0:
        return frame
    rows = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # what is left out was a blank line, if all adds up
    whole = text.counts['"'] == 0 and text.count(delimiter) == (len(names) - 1) * (rows.height + 1)
    return rows if whole else None


def _read(path: Path, delimiter: str, names: list[str]) -> pl.DataFrame:
    return pl.read_csv(path, separator=delimiter, infer_schema=False, new_columns=names, glob=False)


def read_block(
    text: TextFile, delimiter: str, names: list[str], aside: RejectedRows, *, first_line: int
) -> pl.DataFrame:
    """As read_delimited, of rows without a header from ``first_line`` on; who calls checks how many are broken."""
    regular = text.path.with_suffix(".regular")
    good = _write_regular(text, delimiter, len(names), regular, aside, first_line=first_line)
    if not good:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.read_csv(regular, has_header=False, infer_schema=False, new_columns=names, glob=False)


def check_rows(aside: RejectedRows, good: int, width: int) -> None:
    """Raise MalformedRowsError when more rows are broken than can be set aside."""
    aside.check(good=good, expected=f"{counted(width, 'field')}, as in the header, are")


def _write_regular(  # noqa: PLR0913 - a file as it is, and as it shall be
    text: TextFile, delimiter: str, width: int, regular: Path, aside: RejectedRows, *, first_line: int = 1
) -> int:
    """How many rows, the header too where there is one, are as wide as it says."""
    good = 0
    with regular.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        for row in _rows(text, delimiter):
            if row.fields is not None and len(row.fields) == width:
                good += 1
                writer.writerow(row.fields)
            elif row.text.strip():
                aside.add_broken(line=row.line + first_line - 1, reason=row.reason, text=row.text, lines=row.lines)
    return good


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """``fields`` None: its quotes do not match, over all of its ``lines``."""

    line: int
    lines: int
    text: str
    fields: list[str] | None

    @property
    def reason(self) -> str:
        if self.fields is not None:
            return f"has {counted(len(self.fields), 'field')}"
        return "is not well quoted" + (f" (up to line {self.line + self.lines - 1:,})" if self.lines > 1 else "")


def _rows(text: TextFile, delimiter: str) -> Iterator[_Row]:
    """The header too. After a row that is not well quoted, the csv module goes on at the next line."""
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        lines = _Remembered(file)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            before = reader.line_num
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                fields = None
            yield _Row(line=before + 1, lines=reader.line_num - before, text=lines.take(), fields=fields)


class _Remembered:
    """Lines, of which those since the last ``take`` are kept as they were."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self._since: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._since.append(line)
            yield line

    def take(self) -> str:
        taken = "".join(self._since)
        self._since.clear()
        return taken
