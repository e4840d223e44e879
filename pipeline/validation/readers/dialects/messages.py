"""Write the warnings about a file's dialect: which lines were skipped, and why."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.validation.readers.dialects.comments import Comments
from pipeline.validation.readers.dialects.delimiter import Separation
from pipeline.validation.readers.dialects.footer import Footer
from pipeline.validation.readers.dialects.header import TableStart
from pipeline.validation.readers.dialects.records import TextRow
from pipeline.validation.words import counted

__all__ = [
    "name_lines",
    "tell_comments",
    "tell_delimiter",
    "tell_footer",
    "tell_repeated",
    "tell_start",
    "tell_units",
]

_MAX_NAMED = 5


def name_lines(lines: Sequence[int]) -> str:
    """Return ``line 3``, ``lines 3 to 6``, or ``lines 3, 8 and 20``."""
    if len(lines) == 1:
        return f"line {lines[0]:,}"
    if lines[-1] - lines[0] == len(lines) - 1:
        return f"lines {lines[0]:,} to {lines[-1]:,}"
    shown = [f"{line:,}" for line in lines[:_MAX_NAMED]]
    if len(lines) > _MAX_NAMED:
        return f"lines {', '.join(shown)}, ..."
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"


def tell_delimiter(separation: Separation, promised: str | None) -> tuple[str, ...]:
    """Warn if the delimiter is not the one of the file's name, ``promised``."""
    if promised and separation.delimiter != promised:
        return ("the fields are not separated by tabs, as the file's name says: another delimiter was detected",)
    return ()


def tell_comments(comments: Comments, table: TableStart) -> tuple[str, ...]:
    """Warn about skipped comment lines, except one that is the header."""
    header = table.header.line if table.header else 0
    lines = [line for line in comments.lines if line != header]
    if not lines:
        return ()
    return (f"{counted(len(lines), 'comment line')} ({comments.prefix}) skipped: {name_lines(lines)}",)


def tell_start(comments: Comments, table: TableStart, skipped: TextRow | None) -> tuple[str, ...]:
    """Warn about lines before the table, a ``skipped`` line of names, and a missing header."""
    records = comments.records
    above = [record for record in records[: table.first] if record not in (table.header, skipped)]
    first = records[table.first] if table.first < len(records) else None
    target = table.header or skipped or first
    warnings = []
    if above and target:
        lines = name_lines(range(above[0].line, above[-1].line + above[-1].lines))
        start = "the header" if table.header else "the first row"
        warnings.append(f"{lines} before {start} (line {target.line}) skipped: not part of the table")
    if skipped is not None:
        warnings.append(f"line {skipped.line} holds names and was skipped: the model was trained without a header")
    if table.header is None and first is not None:
        warnings.append(f"the file has no header (line {first.line} is read as data): columns are named by position")
    return tuple(warnings)


def tell_units(units: Sequence[TextRow]) -> tuple[str, ...]:
    """Warn about skipped lines of units below the header."""
    if not units:
        return ()
    lines = name_lines([record.line for record in units])
    return (f"{lines} skipped: units, types, descriptions or a ruler, not values",)


def tell_repeated(lines: tuple[int, ...] | None) -> tuple[str, ...]:
    """Warn about ``lines`` that repeat the header; None when there are none."""
    if lines is None:
        return ()
    return (f"the header is repeated among the rows{' on ' + name_lines(lines) if lines else ''}: skipped there",)


def tell_footer(footer: Footer | None) -> tuple[str, ...]:
    """Warn about a skipped footer."""
    if footer is None or not footer.count:
        return ()
    if footer.first is None or footer.last is None:
        return (f"a footer of {counted(footer.count, 'line')} at the end of the file skipped",)
    return (f"{name_lines(range(footer.first, footer.last + 1))} after the last row skipped: a footer, not data",)
