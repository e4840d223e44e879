"""Warnings about a file's dialect: which lines were skipped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.validation.limits import MAX_NAMED
from pipeline.validation.readers.dialects.comments import Comments
from pipeline.validation.readers.dialects.delimiter import Separation
from pipeline.validation.readers.dialects.footer import Footer
from pipeline.validation.readers.dialects.header import TableStart
from pipeline.validation.readers.dialects.records import TextRow
from pipeline.validation.words import counted, listed

__all__ = ["warn_comments", "warn_delimiter", "warn_footer", "warn_repeated_header", "warn_start", "warn_units"]


def _name_lines(lines: Sequence[int]) -> str:
    """Return ``line 3``, ``lines 3 to 6``, or ``lines 3, 8 and 20``."""
    if len(lines) == 1:
        return f"line {lines[0]:,}"
    if lines[-1] - lines[0] == len(lines) - 1:
        return f"lines {lines[0]:,} to {lines[-1]:,}"
    shown = [f"{line:,}" for line in lines]
    if len(lines) > MAX_NAMED:
        return f"lines {listed(shown, MAX_NAMED)}"
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"


def warn_delimiter(separation: Separation, implied: str | None) -> Iterator[str]:
    """Warn if the delimiter is not ``implied``, the one that the file's name implies."""
    if implied and separation.delimiter != implied:
        yield "the fields are not separated by tabs, as the file's name says: another delimiter was detected"


def warn_comments(comments: Comments, table: TableStart) -> Iterator[str]:
    """Warn about skipped comment lines, except one that is the header."""
    header = table.header.line if table.header else 0
    if lines := [line for line in comments.lines if line != header]:
        yield f"{counted(len(lines), 'comment line')} ({comments.prefix}) skipped: {_name_lines(lines)}"


def warn_start(comments: Comments, table: TableStart, skipped: TextRow | None) -> Iterator[str]:
    """Warn about lines before the table, a ``skipped`` line of names, and a missing header."""
    records = comments.records
    above = [record for record in records[: table.first] if record not in (table.header, skipped)]
    first = records[table.first] if table.first < len(records) else None
    target = table.header or skipped or first
    if above and target:
        lines = _name_lines(range(above[0].line, above[-1].line + above[-1].lines))
        start = "the header" if table.header else "the first row"
        yield f"{lines} before {start} (line {target.line}) skipped: not part of the table"
    if skipped is not None:
        yield f"line {skipped.line} holds names and was skipped: the model was trained without a header"
    if table.header is None and first is not None:
        yield f"the file has no header (line {first.line} is read as data): columns are named by position"


def warn_units(units: Sequence[TextRow]) -> Iterator[str]:
    """Warn about skipped lines of units below the header."""
    if units:
        lines = _name_lines([record.line for record in units])
        yield f"{lines} skipped: units, types, descriptions or a ruler, not values"


def warn_repeated_header(lines: tuple[int, ...] | None) -> Iterator[str]:
    """Warn about ``lines`` that repeat the header; None: there are none."""
    if lines is not None:
        yield f"the header is repeated among the rows{' on ' + _name_lines(lines) if lines else ''}: skipped there"


def warn_footer(footer: Footer | None) -> Iterator[str]:
    """Warn about a skipped footer."""
    if footer is None or not footer.count:
        return
    if footer.lines is None:
        yield f"a footer of {counted(footer.count, 'line')} at the end of the file skipped"
    else:
        yield f"{_name_lines(footer.lines)} after the last row skipped: a footer, not data"
