"""Find the header: the line that names the columns, and the lines before it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.validation.columns.names import clean_name, unique_names
from pipeline.validation.readers.dialects.cells import is_missing, kind_of, number_of
from pipeline.validation.readers.dialects.profiles import ColumnEvidence, profile_columns
from pipeline.validation.readers.dialects.records import TextRow
from pipeline.validation.readers.dialects.units import is_unit_row

__all__ = [
    "TableStart",
    "are_generated",
    "find_named_header",
    "find_rows",
    "find_table",
    "is_name_line",
]

_MAX_PROFILED = 500
_LOOK_AHEAD = 10  # records after a header, of which half must have the table's width
_MAX_PREAMBLE = 200  # maximum records before the table
_MAX_ADVANCE = 30  # maximum records between the first candidate and the header
_MAX_NOTE_VALUES = 4  # maximum notes such as "Version,5" that look like rows
_GENERATED = re.compile(r"column_\d+")
_PROSE_WORDS = 4
_MAX_RAGGED_FRACTION = 0.02
_MAX_REPEATED_FRACTION = 0.05  # maximum fraction of rows that are repeated headers


@dataclass(frozen=True, kw_only=True, slots=True)
class TableStart:
    """Position of the table among the records. ``header`` None: there is none."""

    header: TextRow | None
    first: int  # index of the first data record
    profiles: tuple[ColumnEvidence, ...]


def find_table(records: Sequence[TextRow], width: int, comment_header: TextRow | None) -> TableStart:
    """Find the header by comparing it with the rows below: names differ in kind from the values of their columns."""
    first = _find_first(records, width)
    profiles = _profile(records, first, width)
    below = _without_repeats(records[first], records[first + 1 :])
    has_names = _header_evidence(records[first], below, profiles) >= 0
    named_above = comment_header is not None and _header_evidence(comment_header, records[first:], profiles) > 0
    if named_above and not has_names:
        return TableStart(header=comment_header, first=first, profiles=profiles)
    if has_names:
        header = _advance(records, first, width, profiles)
        return TableStart(header=records[header], first=header + 1, profiles=_profile(records, header, width))
    above = records[first - 1] if first else None
    if above is not None and _is_misfit_header(above, records[first:], profiles, width):
        return TableStart(header=above, first=first, profiles=profiles)
    if _are_ragged(records[first:], width) or all(map(_is_data, records[:first])):
        first = 0  # the lines above are rows too: the rows are ragged, or these lines hold data
    return TableStart(header=None, first=first, profiles=profiles)


def _is_data(record: TextRow) -> bool:
    """Return whether most cells are numbers or dates, unlike in a note above a table."""
    kinds = [kind_of(cell) for cell in record.cells or () if cell]
    return sum(kind in ("number", "date") for kind in kinds) * 2 > len(kinds) > 1


def _are_ragged(rows: Sequence[TextRow], width: int) -> bool:
    narrow = sum(row.cells is not None and row.width < width for row in rows)
    return narrow > _MAX_RAGGED_FRACTION * len(rows)


def find_rows(records: Sequence[TextRow], width: int) -> TableStart:
    """Return the table of a file that is known to have no header."""
    first = _find_first(records, width)
    return TableStart(header=None, first=first, profiles=_profile(records, first, width))


def find_named_header(records: Sequence[TextRow], names: Sequence[str], width: int) -> TableStart | None:
    """Find the line with the most names of a known model, at least half of them."""
    expected = {clean_name(name) for name in names}
    matches = [len(expected & _names(record)) for record in records[:_MAX_PREAMBLE]]
    best = max(matches, default=0)
    if best == 0 or best * 2 < min(len(expected), width):
        return None
    header = matches.index(best)
    return TableStart(header=records[header], first=header + 1, profiles=_profile(records, header, width))


def are_generated(names: Sequence[str]) -> bool:
    """Return whether a model's column names are the generated ones of a file without a header."""
    return bool(names) and all(_GENERATED.fullmatch(name) for name in names)


def _names(record: TextRow) -> set[str]:
    """Return the column names of a line if it were the header, without the names generated for empty cells."""
    cells = record.cells or ()
    return {name for cell, name in zip(cells, unique_names(cells), strict=True) if cell}


def _find_first(records: Sequence[TextRow], width: int) -> int:
    """Return the index of the first record that is as wide and full as the table, as are half of the next records."""
    typical = median([record.filled for record in records if record.width == width] or [0])
    for index, record in enumerate(records[:_MAX_PREAMBLE]):
        following = records[index + 1 : index + 1 + _LOOK_AHEAD]
        fits = sum(record_after.width == width for record_after in following)
        if _is_full(record, width, typical) and fits * 2 >= len(following):
            return index
    return 0


def _is_full(record: TextRow, width: int, typical: float) -> bool:
    if record.width != width:
        return False
    if record.cells and not record.cells[0]:  # an index column has no name
        return record.filled >= max(1, width - 2)
    return record.filled * 2 > typical and record.filled > 1


def _profile(records: Sequence[TextRow], first: int, width: int) -> tuple[ColumnEvidence, ...]:
    """Profile the rows below a record. Of more than four, skip two, which may be a header and a unit row."""
    below = _without_repeats(records[first], records[first + 1 : first + 1 + _MAX_PROFILED])
    rows = [record.cells or () for record in below if record.width == width]
    return profile_columns(rows[2:] if len(rows) > 4 else rows, width)


def _without_repeats(header: TextRow, rows: Sequence[TextRow]) -> Sequence[TextRow]:
    """Drop rows that repeat a header, as in concatenated exports; if there are many such rows, they are data."""
    unique_rows = [row for row in rows if row.cells != header.cells]
    return unique_rows if len(rows) - len(unique_rows) <= len(rows) * _MAX_REPEATED_FRACTION else rows


def _header_evidence(record: TextRow, rows: Sequence[TextRow], profiles: Sequence[ColumnEvidence]) -> float:
    """Return evidence that ``record`` is a header (> 0) or a data row (< 0); 0 if there is none."""
    cells = record.cells or ()
    pairs = [(cell, profile) for cell, profile in zip(cells, profiles, strict=False) if not is_missing(cell)]
    if not rows or all(profile.kind == "empty" for profile in profiles):
        numbers = sum(kind_of(cell) in ("number", "date") for cell in cells)
        return -1.0 if numbers * 2 > len(cells) and not _is_regular(cells) else 1.0
    if not cells:
        return -1.0
    if _is_index_header(cells, rows):
        return 1.0
    matches = sum(profile.typed and profile.holds(kind_of(cell)) for cell, profile in pairs)
    if matches and _is_number_header(cells, rows, profiles):
        return 1.0
    total = sum(_weigh(cell, profile) for cell, profile in pairs)
    return -0.5 if total == 0 and matches else total


def _is_index_header(cells: Sequence[str], rows: Sequence[TextRow]) -> bool:
    """Return whether the first column is an unnamed index, as pandas writes it: an empty name above 0, 1, 2."""
    if cells[0]:
        return False
    values = _read_numbers([row.cells[0] for row in rows[:_LOOK_AHEAD] if row.cells])
    steps = {after - before for before, after in itertools.pairwise(values)}
    return len(values) > 2 and steps == {1.0}


def _weigh(cell: str, profile: ColumnEvidence) -> float:
    if profile.typed:
        return -1.0 if profile.holds(kind_of(cell)) else 1.0
    if profile.categories:
        return -1.0 if cell in profile.values else 0.5
    if profile.sentences:
        return -0.5 if len(cell.split()) > 2 else 1.0
    if profile.codes:
        return -0.5 if any(map(str.isdigit, cell)) else 0.5
    return 0.0


def _is_number_header(cells: Sequence[str], rows: Sequence[TextRow], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether the line's numbers are names, such as years: they increase regularly, unlike the values below."""
    columns = [
        column
        for column, (cell, profile) in enumerate(zip(cells, profiles, strict=False))
        if profile.kind in ("number", "measure", "empty") and kind_of(cell) == "number"
    ]
    if not _is_regular([cells[column] for column in columns]):
        return False
    sample = [record.cells for record in rows[:_MAX_PROFILED] if record.cells and record.width == len(cells)]
    if not sample:
        return True
    regular = sum(_is_regular([row[column] for column in columns]) for row in sample)
    equal = sum(row[column] == cells[column] for row in sample for column in columns)
    return regular <= 0.1 * len(sample) and equal <= 0.5 * len(sample) * len(columns)


def _is_regular(cells: Sequence[str]) -> bool:
    values = _read_numbers(cells)
    if len(values) < 2:
        return False
    steps = [after - before for before, after in itertools.pairwise(values)]
    if min(steps) <= 0:
        return False
    if len(values) == 2:
        return steps[0] == 1 and all(1900 <= value <= 2100 for value in values)
    return max(steps) - min(steps) < 1e-6 * max(steps) or (len(values) > 4 and max(steps) <= 1.5 * min(steps))


def _read_numbers(cells: Sequence[str]) -> list[float]:
    """Return the values of the cells; empty if one of them is not a number."""
    numbers = [number for cell in cells if (number := number_of(cell)) is not None]
    return numbers if len(numbers) == len(cells) else []


def _advance(records: Sequence[TextRow], header: int, width: int, profiles: Sequence[ColumnEvidence]) -> int:
    """Return the index of the header, which may be below notes that are as wide as the table."""
    first, values = header, 0
    for index in range(header + 1, min(header + 1 + _MAX_ADVANCE, len(records))):
        record = records[index]
        if not _is_full(record, width, 0):
            continue
        if not is_name_line(record, profiles):
            values += 1
            continue
        if values > _MAX_NOTE_VALUES or record.cells == records[first].cells:
            return header
        above = records[header]
        if (
            _follows_gap(records, index)
            or _is_prose(above)
            or record.filled >= 2 * above.filled
            or (record.filled > above.filled and not is_unit_row(record.cells or (), profiles))
        ):
            header = index
    return header


def is_name_line(record: TextRow, profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether the record has cells in columns of numbers or dates, and none of them could be a value there."""
    typed = [
        profile.holds(kind_of(cell))
        for cell, profile in zip(record.cells or (), profiles, strict=False)
        if profile.typed and not is_missing(cell)
    ]
    return bool(typed) and not any(typed)


def _follows_gap(records: Sequence[TextRow], index: int) -> bool:
    """Return whether a blank line is directly above the record, and no blank line is among the records after it."""
    if records[index].line <= records[index - 1].line + records[index - 1].lines:
        return False
    following = records[index : index + _LOOK_AHEAD]
    return all(after.line == before.line + before.lines for before, after in itertools.pairwise(following))


def _is_prose(record: TextRow) -> bool:
    """Return whether the line is a sentence that its commas split: ``These data, which were collected, ...``."""
    cells = record.cells or ()
    words = sum(len(cell.split()) for cell in cells)
    return ", " in record.text and words > max(_PROSE_WORDS, 2 * len(cells)) and '"' not in record.text


def _is_misfit_header(record: TextRow, rows: Sequence[TextRow], profiles: Sequence[ColumnEvidence], width: int) -> bool:
    """Return whether the record above the rows is their header although it is wider or narrower."""
    if record.width == width or record.filled < 2 or record.filled * 2 <= width:
        return False
    cells = record.cells or ()
    shifted = [profile for profile in profiles if profile.typed]
    if any(kind_of(cell) in ("number", "date") for cell in cells) and shifted:
        return _is_regular([cell for cell in cells if kind_of(cell) == "number"])
    return not _is_prose(record) and bool(rows)
