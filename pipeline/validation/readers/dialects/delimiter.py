"""Detect the delimiter: the character that splits most lines into equally many fields of recognizable kinds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.validation.columns.names import clean_name
from pipeline.validation.readers.dialects.cells import kind_of
from pipeline.validation.readers.dialects.comments import PREFIXES
from pipeline.validation.readers.dialects.records import BLANKS, TextLines, TextRow, parse_records

__all__ = ["USUAL", "Separation", "choose_delimiter", "read_hint", "separate"]

_NO_DELIMITER = "\x1f"  # the ASCII unit separator, which text does not contain: the file has one column
USUAL = (",", ";", "\t", "|")
_UNUSUAL = ("^", "~", ":")
_DOUBLE_COLON = "::"
_MAX_SCORED_ROWS = 200
_MIN_SOUND_FRACTION = 0.9  # fraction of rows with equal width by a usual delimiter from which blanks are part of values
_MIN_SOUND_SCORE = 0.7
_POINT = re.compile(r"[0-9]\.[0-9]")  # a decimal point
_MIN_CLEAR_FRACTION = 0.95  # minimum fraction of rows that an unusual delimiter must split into equally many fields
_MIN_BLANKS_FRACTION = 0.8
_HINT = re.compile(r'\s*"?sep=(\\t|[^\r\n"])\1*"?[\s,;]*', re.IGNORECASE)
_SCORES = {"number": 1.0, "date": 1.0, "measure": 0.95, "word": 0.9, "empty": 0.9, "text": 0.8}
_HOLDS_DELIMITER = 0.3  # score of a cell with another possible delimiter
_HOLDS_PUNCTUATION = 0.6  # score of such a cell if a blank follows the other delimiter, as in a sentence
_QUOTED = 0.85  # score of such a cell if it is quoted
_DELIMITS = re.compile(r"[,;|\t](?=\S)")
_MISFIT_FIRST = 0.85  # factor when the first line, which may be the header, has another width
_MIN_FRACTION = 0.5  # minimum fraction of rows with the same width if the first line has another width
_NUMBERS_APART = re.compile(r"[\d,.+-]+(?:\s+[\d,.+-]+)+")


@dataclass(frozen=True, kw_only=True)
class Separation:
    """The records that result from splitting by one delimiter."""

    delimiter: str
    padded_quotes: bool
    records: tuple[TextRow, ...]
    width: int  # the width of most records; 1 if no record is split
    fraction: float  # fraction of records that have this width

    @cached_property
    def last_rows(self) -> list[TextRow]:
        """Return the last rows that have the width ``width``."""
        return [record for record in self.records if record.width == self.width][-_MAX_SCORED_ROWS:]

    @cached_property
    def mean_score(self) -> float:
        """Return the mean score of the cells of ``last_rows``."""
        scores = [[_score_cell(cell, row.text, self.delimiter) for cell in row.cells or ()] for row in self.last_rows]
        return sum(map(sum, scores)) / sum(map(len, scores))


def read_hint(head: TextLines) -> str | None:
    """Return the delimiter that a first line such as Excel's ``sep=;`` names; None without such a line."""
    match = _HINT.fullmatch(head.lines[0]) if head.lines else None
    if match is None:
        return None
    return "\t" if match[1] == "\\t" else match[1]


def choose_delimiter(name: str, head: TextLines, preferred: str | None, names: Collection[str] = ()) -> Separation:
    """Split the head by the preferred delimiter if that makes two columns, else by the best one.

    Args:
        name: Name of the file, for messages.
        head: First lines of the file.
        preferred: Delimiter from the file's name or its first line; None: there is none.
        names: Columns that a trained model expects; if the header is exactly one of them, the file has one column.

    Raises:
        InvalidColumnsError: No delimiter makes two columns.
    """
    if preferred is not None and (separation := separate(head, preferred)).width > 1:
        return separation
    if head.lines and clean_name(head.lines[0].strip().strip('"')) in names:
        return separate(head, _NO_DELIMITER)
    text = head.text
    separations = [separate(head, delimiter) for delimiter in (*USUAL, BLANKS, *_UNUSUAL) if delimiter in text]
    is_sound = any(map(_is_sound, separations))
    if _DOUBLE_COLON in text and _is_clear_cut(colons := separate(head, _DOUBLE_COLON), is_rival=is_sound):
        return colons
    if is_sound:
        separations = [separation for separation in separations if separation.delimiter != BLANKS]
    scored = [(_score(separation), separation) for separation in separations if separation.width > 1]
    best = max(scored, key=lambda pair: pair[0], default=(0.0, None))
    if best[1] is None or best[0] <= 0.0:
        raise InvalidColumnsError(
            f"'{name}' has one column, or a header (line 1) that is not well quoted: names and values are "
            "expected with a comma, semicolon, tab or '|' between them"
        )
    return best[1]


def _is_clear_cut(separation: Separation, *, is_rival: bool) -> bool:
    """Return whether ``::`` gives nearly all rows the same width.

    If a usual delimiter is likely, too, there must be at least three columns, and numbers in the first one.
    """
    rows = [record for record in separation.records if record.width == separation.width][:_MAX_SCORED_ROWS]
    if separation.width < 2 or len(rows) < 2 or separation.fraction < _MIN_CLEAR_FRACTION:
        return False
    numbers = sum(kind_of(record.cells[0]) == "number" for record in rows if record.cells)
    return not is_rival or (separation.width > 2 and numbers >= _MIN_CLEAR_FRACTION * (len(rows) - 1))


def _is_sound(separation: Separation) -> bool:
    """Return whether a usual delimiter gives nearly all rows the same width, with fields of recognizable kinds."""
    if separation.delimiter not in USUAL or separation.width < 2 or separation.fraction < _MIN_SOUND_FRACTION:
        return False
    if separation.delimiter == "," and not any(_POINT.search(record.text) for record in separation.last_rows):
        return False  # the commas may be decimal marks
    return separation.mean_score > _MIN_SOUND_SCORE


def separate(head: TextLines, delimiter: str) -> Separation:
    """Split the head by one delimiter; skip blanks before quotes if then at least as many rows have the same width."""
    separation = _separate(head, delimiter, padded_quotes=False)
    if delimiter != BLANKS and re.search(re.escape(delimiter) + r'[ \t]+"', head.text):
        padded = _separate(head, delimiter, padded_quotes=True)
        if padded.fraction * len(padded.records) >= separation.fraction * len(separation.records):
            return padded
    return separation


def _separate(head: TextLines, delimiter: str, *, padded_quotes: bool) -> Separation:
    records = parse_records(head, delimiter, padded_quotes=padded_quotes)
    rows = [record for record in records if record.cells is not None and not record.text.lstrip().startswith(PREFIXES)]
    widths = Counter(record.width for record in rows or records)
    width = max((width for width in widths if width > 1), key=lambda width: (widths[width], width), default=1)
    fraction = min(1.0, widths[width] / max(1, len(rows)))
    return Separation(
        delimiter=delimiter,
        padded_quotes=padded_quotes,
        records=tuple(records),
        width=width,
        fraction=fraction,
    )


def _score(separation: Separation) -> float:
    rows = separation.last_rows
    if not rows:
        return 0.0
    fits = separation.records[0].width == separation.width
    if not _is_clear(separation, rows) or (not fits and separation.fraction < _MIN_FRACTION):
        return 0.0
    score = separation.fraction * separation.mean_score * (1 + 0.05 * math.log2(separation.width))
    return score if fits else score * _MISFIT_FIRST


def _score_cell(cell: str, text: str, delimiter: str) -> float:
    kind = kind_of(cell)
    if kind in ("number", "date", "empty"):
        return _SCORES[kind]
    if any(candidate in cell for candidate in USUAL if candidate != delimiter):
        if f'"{cell}"' in text:
            return _QUOTED
        return _HOLDS_PUNCTUATION if not _DELIMITS.search(cell) else _HOLDS_DELIMITER
    if delimiter != BLANKS and _NUMBERS_APART.fullmatch(cell):
        return _HOLDS_DELIMITER
    return _SCORES[kind]


def _is_clear(separation: Separation, rows: Sequence[TextRow]) -> bool:
    """Return whether a character that is common in text is the delimiter, since it separates numbers."""
    if separation.delimiter in USUAL:
        return True
    blanks = separation.delimiter == BLANKS
    if separation.fraction < (_MIN_BLANKS_FRACTION if blanks else _MIN_CLEAR_FRACTION):
        return False
    kinds = [tuple(kind_of(cell) for cell in record.cells or ()) for record in rows]
    if separation.width == 2 and (not blanks or Counter(kinds).most_common(1)[0][0] == ("date", "date")):
        return False
    numbers = [sum(row[column] in ("number", "date") for row in kinds) for column in range(separation.width)]
    return max(numbers) >= 0.8 * (len(rows) - 1) and len(rows) > 1
