"""Comment lines before and among the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.validation.readers.dialects.profiles import profile_columns
from pipeline.validation.readers.dialects.records import TextRow, split_line
from pipeline.validation.readers.dialects.units import are_units

__all__ = ["PREFIXES", "Comments", "separate_comments"]

PREFIXES = ("#", "//", "%")
_MAX_HEADERS = 2  # maximum comments above the rows that are a header: names, and their units


@dataclass(frozen=True, kw_only=True, slots=True)
class Comments:
    """The records without comments. ``header`` is a comment with the table's width directly above the rows, if any."""

    records: tuple[TextRow, ...]
    prefix: str = ""  # prefix of comment lines
    among_rows: bool = False  # whether there are comments after the first row
    lines: tuple[int, ...] = ()  # line numbers of the comments
    header: TextRow | None = None  # its cells lack the prefix


def separate_comments(records: Sequence[TextRow], delimiter: str, width: int) -> Comments:
    """Find the comment lines. A marked line with the table's width is a row if the first column holds such texts."""
    for prefix in PREFIXES:
        marked = [record for record in records if record.text.lstrip().startswith(prefix)]
        if not marked:
            continue
        rows = [record for record in records if record.width == width and not record.text.lstrip().startswith(prefix)]
        if rows:
            return _separate(records, prefix, marked, rows, delimiter)
    return Comments(records=tuple(records))


def _separate(
    records: Sequence[TextRow], prefix: str, marked: Sequence[TextRow], rows: Sequence[TextRow], delimiter: str
) -> Comments:
    width = rows[0].width
    first = rows[0].line
    leading = [record for record in marked if record.line < first]
    among = [record for record in marked if record.line > first]
    if not _are_comments(among, rows, width):
        among = []
    header = _find_header(leading, prefix, delimiter, width)
    if header is not None and _is_plain_header(header, leading):
        leading = [record for record in leading if record.line != header.line]
        header = None
    comments = {record.line for record in (*leading, *among)}
    return Comments(
        records=tuple(record for record in records if record.line not in comments),
        prefix=prefix if comments else "",
        among_rows=bool(among),
        lines=tuple(sorted(comments)),
        header=header,
    )


def _is_plain_header(header: TextRow, leading: Sequence[TextRow]) -> bool:
    """Return whether the line is a header whose first name begins with the prefix: ``#id,name`` and ``# of rooms``."""
    written = next(record for record in leading if record.line == header.line)
    if header.cells == written.cells:
        return True
    return len(leading) == 1 and written.width == header.width and "," in written.text


def _find_header(leading: Sequence[TextRow], prefix: str, delimiter: str, width: int) -> TextRow | None:
    """Find the comment that names the columns: the last one above the rows, or the one above their units."""
    above = [_read_header(record, prefix, delimiter, width) for record in leading[-_MAX_HEADERS:]]
    if (
        len(above) == _MAX_HEADERS
        and above[0]
        and above[-1]
        and are_units([cell for cell in above[-1].cells or () if len(cell) > 1])
    ):
        return above[0]
    return above[-1] if above else None


def _are_comments(marked: Sequence[TextRow], rows: Sequence[TextRow], width: int) -> bool:
    if profile_columns([record.cells or () for record in rows[1:]], 1)[0].typed:
        return True
    # If rows begin with sentences, a line that begins with a hashtag is a broken row, not a comment.
    has_sentences = profile_columns([record.cells or () for record in rows], 1)[0].sentences
    return not has_sentences and all(record.width != width for record in marked)


def _read_header(record: TextRow, prefix: str, delimiter: str, width: int) -> TextRow | None:
    """Read a header such as ``# a b c`` from numpy; a prefix without a blank after it is part of the first name."""
    text = record.text.strip()
    bare = text.removeprefix(prefix)
    line = bare if bare[:1].isspace() else text
    cells = split_line(line, delimiter)
    if cells is None or len(cells) != width:
        return None
    return replace(record, text=line, cells=tuple(map(str.strip, cells)))
