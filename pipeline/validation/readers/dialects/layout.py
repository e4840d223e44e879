"""Match the fields of the header with those of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.validation.readers.dialects.records import TextRow
from pipeline.validation.words import counted

__all__ = ["Layout", "find_layout"]

_MAX_COMPARED = 50  # maximum rows that are compared
_MAX_FILLED_FRACTION = 0.05  # maximum fraction of rows with a value in a trailing field that is ignored


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Fields of the rows. ``fields`` are the header's or generated; for the others see dialect.Dialect."""

    fields: tuple[str, ...]
    extra_fields: int = 0
    index_field: bool = False
    warnings: tuple[str, ...] = ()


def find_layout(header: Sequence[str], rows: Sequence[TextRow], width: int) -> Layout:
    """Compare the width of the header and of the rows, which may end with a delimiter or begin with a row name."""
    table = [row.cells or () for row in rows if row.width == width]
    if not header:
        extra = _count_empty(table, width)
        return Layout(
            fields=tuple(f"column_{position}" for position in range(1, width - extra + 1)),
            extra_fields=extra,
            warnings=tuple(_warn_extra_fields(extra)),
        )
    fields = list(header)
    while table and len(fields) > width and not fields[-1].strip():
        fields.pop()
    missing = width - len(fields)
    if missing <= 0 or not table:
        return Layout(fields=tuple(fields))
    if _count_empty(table, width) >= missing:
        return Layout(fields=tuple(fields), extra_fields=missing, warnings=tuple(_warn_extra_fields(missing)))
    if missing == 1 and _are_row_names([row[0] for row in table]) and not _cuts_text(rows, width):
        warning = "rows have one field more than the header: the first is read as the row's name"
        return Layout(fields=tuple(fields), index_field=True, warnings=(warning,))
    return Layout(fields=tuple(fields))


def _count_empty(table: Sequence[Sequence[str]], width: int) -> int:
    """Return how many fields at the end are empty in nearly all rows; the first two fields never count."""
    count = 0
    while table and count < width - 2 and _is_empty([row[width - 1 - count] for row in table]):
        count += 1
    return count


def _is_empty(cells: Sequence[str]) -> bool:
    return sum(cell != "" for cell in cells) <= _MAX_FILLED_FRACTION * len(cells)


def _are_row_names(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and all(cells) and len(set(cells)) == len(cells)


def _cuts_text(rows: Sequence[TextRow], width: int) -> bool:
    """Return whether the extra field comes from a comma in a text without quotes: ``1,Smith, Tom,5``."""
    lines = [row.text.strip().split(",") for row in rows[:_MAX_COMPARED] if row.width == width]
    table = [cells for cells in lines if len(cells) == width]
    padded = [all(row[column].startswith(" ") for row in table) for column in range(1, width)]
    opened = any(all(row[column].lstrip().startswith("'") for row in table) for column in range(width))
    return bool(table) and (opened or (any(padded) and not all(padded)))


def _warn_extra_fields(extra: int) -> Iterator[str]:
    if extra:
        yield f"rows end with {counted(extra, 'empty field')} that the header lacks: ignored"
