"""Find the footer: totals, sources and other notes after the last data row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pipeline.validation.readers.dialects.cells import is_missing, kind_of
from pipeline.validation.readers.dialects.delimiter import Separation
from pipeline.validation.readers.dialects.profiles import ColumnEvidence, profile_columns
from pipeline.validation.readers.dialects.records import TextLines, TextRow, split_line, split_lines
from pipeline.validation.readers.dialects.totals import ColumnTotals

__all__ = ["Body", "Footer", "find_footer", "read_tail"]

_TAIL_BYTES = 64 << 10
_MAX_LINES = 40
_MAX_RAGGED_FRACTION = 0.02  # with a larger fraction of narrow rows, a narrow row is data
_TOTAL = re.compile(
    r"(?:grand |sub-?|sub |overall |column )?(?:totals?|sums?|summe|gesamt(?:summe|ergebnis)?|insgesamt|zwischensumme"
    r"|averages?|avg\.?|means?|durchschnitt|mittelwert|average total|somme|moyenne|total général|suma|promedio|media"
    r"|totale|somma|soma|média|totaal|som|gemiddelde|suma całkowita|razem|średnia|celkem|součet|průměr|összesen|átlag"
    r"|toplam|ortalama|summa|yhteensä|i alt|totalt|sammanlagt|итого|всего|сумма|среднее|разом|всього|общо|σύνολο"
    r"|合計|総計|小計|平均|合计|总计|總計|合計値|小计|共计|합계|총계|평균|المجموع|الإجمالي|סה\"כ|योग|कुल|รวม|tổng cộng)"
    r"\s*[:=：]?\s*(?:\(.*\)|[\d.,\s]+|(?:rows?|records?|count|items?)\b.*|n\s*=\s*\d+)?",
    re.IGNORECASE,
)
_STATISTIC = re.compile(
    r"(?:max(?:imum)?|min(?:imum)?|count|std\.?(?: ?dev\.?)?|median|anzahl|n)\.?\s*:?", re.IGNORECASE
)
_NOTE = re.compile(
    r"(?:sources?|quellen?|fuentes?|fonti?|bron|źródło|источник|出典|来源|notes?|anmerkung(?:en)?|hinweis|remarks?"
    r"|footnotes?|copyright|disclaimer|legend|exported|generated|created|printed|report|erstellt|exportiert|stand"
    r"|downloaded|last updated?|updated|as of|query|filters?|page|end of|ende|fin)\b.*[:\d ].*"
    r"|(?:©|\(c\)|\*{1,3} ?\w).*"
    r"|[(\[]?[\d.,]+ (?:rows?|records?|lines?|zeilen|datensätze|lignes|filas|registros|entries|results?|items?"
    r"|строк\w*|行|件)\b.*|(?:-{2,}|={2,}|\*{3,}).*|<?eof>?|end of (?:file|report|data).*",
    re.IGNORECASE,
)


_MAX_PROFILED = 500  # maximum rows that are profiled


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Properties of the data rows. ``totals`` is None if not all rows are known."""

    delimiter: str
    padded_quotes: bool
    min_width: int  # minimum fields of a row, which may lack its empty trailing fields
    profiles: tuple[ColumnEvidence, ...]
    filled: float  # median number of filled cells per row
    ragged_fraction: float  # fraction of rows with fewer fields than ``min_width``
    totals: ColumnTotals | None = None
    is_known: bool = False  # whether it is a later file of a known model

    @classmethod
    def of(
        cls,
        rows: Sequence[TextRow],
        separation: Separation,
        extra: int,
        *,
        is_complete: bool = False,
        is_known: bool = False,
    ) -> Body:
        """Describe the rows except the last ones, which may be a footer.

        Args:
            rows: The first rows of the file.
            separation: Delimiter and width of the rows.
            extra: Number of empty fields at the end of each row.
            is_complete: Whether these are all rows of the file.
            is_known: Whether the file is a later file of a known model.
        """
        totals = ColumnTotals(rows, separation.width) if is_complete else None
        rows = rows[: max(len(rows) // 2, len(rows) - _MAX_LINES)]
        width = separation.width
        table = [row for row in rows if row.width == width][-_MAX_PROFILED:]
        narrow = sum(row.cells is not None and row.width < width - extra for row in rows)
        return cls(
            delimiter=separation.delimiter,
            padded_quotes=separation.padded_quotes,
            min_width=width - extra,
            profiles=profile_columns([row.cells or () for row in table], width),
            filled=median([row.filled for row in table] or [0]),
            ragged_fraction=narrow / max(1, len(rows)),
            totals=totals,
            is_known=is_known,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Footer:
    """A footer. ``lines`` are 1-based numbers; None if the lines before the tail were not counted."""

    start: int  # byte where the footer begins
    count: int  # number of lines that are not blank
    lines: range | None


def read_tail(path: Path, head: TextLines, start: int) -> TextLines:
    """Read the last 64 KB, but no byte before ``start``; all lines from there if the file is small."""
    if head.is_complete:
        first = head.offsets.index(start)
        return TextLines(lines=head.lines[first:], offsets=head.offsets[first:], first_line=first + 1)
    begin = max(start, path.stat().st_size - _TAIL_BYTES)
    with path.open("rb") as file:
        file.seek(begin)
        lines, offsets = split_lines(file.read(), begin)
    if begin > start:
        lines, offsets = lines[1:], offsets[1:]  # the first line may begin earlier
    return TextLines(lines=lines, offsets=offsets, first_line=None)


def find_footer(tail: TextLines, body: Body) -> Footer | None:
    """Find the footer from the last line upward. Lines with only delimiters belong to it."""
    top: int | None = None
    count = 0
    gap = _last_gap(tail, body)
    filled = 0
    for index in range(len(tail.lines) - 1, -1, -1):
        text = tail.lines[index]
        if not text.strip():
            top = index if body.min_width == 1 and text.strip("\r\n") else top  # an empty cell
            continue
        cells = _split(text, body)
        line = (tail.first_line or 1) + index
        filled += cells is None or any(cells)
        if filled > _MAX_LINES:
            break
        if (
            cells is None
            or text.count('"') % 2
            or (any(cells) and not is_footer_row(cells, text, body, line, after_gap=index > gap >= 0))
        ):
            break
        top, count = index, count + 1
    if top is None:
        return None
    first = tail.first_line
    lines = None if first is None else range(first + top, first + _last_filled(tail) + 1)
    return Footer(start=tail.offsets[top], count=count, lines=lines)


def _split(text: str, body: Body) -> tuple[str, ...] | None:
    cells = split_line(text, body.delimiter, padded_quotes=body.padded_quotes)
    return None if cells is None else tuple(map(str.strip, cells))


def _last_filled(tail: TextLines) -> int:
    return max(index for index, line in enumerate(tail.lines) if line.strip())


def _last_gap(tail: TextLines, body: Body) -> int:
    """Return the index of the last blank line that has lines below it; -1 if there is none or blank lines are usual."""
    last = _last_filled(tail) if any(line.strip() for line in tail.lines) else 0
    blank = [index for index in range(last) if _is_blank(tail.lines[index], body)]
    near = [index for index in blank if index >= last - _MAX_LINES]
    return near[-1] if near and len(blank) <= max(3, 0.1 * last) else -1


def _is_blank(text: str, body: Body) -> bool:
    """Return whether a line is empty or has only delimiters."""
    inner = text.strip(f'{body.delimiter}" \t\r\n')
    if inner and not inner[0].isspace():
        return False
    cells = _split(text, body)
    return cells is not None and not any(cells)


def is_footer_row(cells: Sequence[str], text: str, body: Body, line: int, *, after_gap: bool) -> bool:
    """Return whether a line after the data belongs to a footer.

    In a later file of a known model, a row of full width does so only if it is a total.
    """
    first = next(cell for cell in cells if cell)
    filled = sum(cell != "" for cell in cells)
    narrow = len(cells) < body.min_width or (filled * 2 <= body.filled and body.filled > 1)
    totals = body.totals
    is_sum = totals is not None and not _is_value(first, body) and totals.is_total_row(cells, line)
    if is_sum or (body.is_known and not narrow):
        return is_sum or bool(totals and _TOTAL.fullmatch(first) and totals.holds_total(cells, line))
    mismatches = narrow or _holds_text(cells, body.profiles)
    if _TOTAL.fullmatch(first):
        return _is_total(cells, first, body, line, lacks=mismatches or _lacks_values(cells, body.profiles))
    if _STATISTIC.fullmatch(first) and mismatches:
        return True
    if _NOTE.fullmatch(text.strip().strip('"')) or _NOTE.fullmatch(first):
        return mismatches
    if not narrow or body.ragged_fraction > _MAX_RAGGED_FRACTION:
        return False
    return _mismatches(cells, body.profiles) and (after_gap or body.profiles[0].typed)


def _is_value(label: str, body: Body) -> bool:
    """Return whether a label is a value of a column, so that it is not the label of a total."""
    return kind_of(label) != "number" and any(label in profile.values for profile in body.profiles)


def _is_total(cells: Sequence[str], first: str, body: Body, line: int, *, lacks: bool) -> bool:
    column = list(cells).index(first)
    if column >= len(body.profiles):
        return lacks
    values = body.profiles[column].values
    if any(_TOTAL.fullmatch(value) for value in values if value != first) or first in values:
        return False
    if body.totals and not lacks:
        return body.totals.holds_total(cells, line)
    other_profiles = [profile for index, profile in enumerate(body.profiles) if index != column]
    return lacks or all(profile.typed or profile.kind == "empty" for profile in other_profiles)


def _lacks_values(cells: Sequence[str], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether a cell is empty in a column that is otherwise always filled."""
    return any(not cell and "" not in profile.values for cell, profile in zip(cells, profiles, strict=False))


def _holds_text(cells: Sequence[str], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether a column of numbers or dates holds other text."""
    return any(
        profile.typed and not is_missing(cell) and not profile.holds(kind_of(cell))
        for cell, profile in zip(cells, profiles, strict=False)
    )


def _mismatches(cells: Sequence[str], profiles: Sequence[ColumnEvidence]) -> bool:
    """Return whether no filled cell is a value of its column; a row of full width needs a cell that disproves it."""
    pairs = [(cell, profile) for cell, profile in zip(cells, profiles, strict=False) if cell and profile.typed]
    if not pairs and len(cells) >= len(profiles):
        return False
    return not any(profile.holds(kind_of(cell)) for cell, profile in pairs)
