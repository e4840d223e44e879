"""Fill the merged cells of a sheet: a label that is merged over several rows applies to each of these rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from python_calamine import CalamineSheet

from pipeline.validation.words import counted

__all__ = ["Cell", "MergedCells"]

Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta

_MAX_HEADER_ROWS = 3  # maximum rows of the header that a name may be merged over


@dataclass(frozen=True, slots=True)
class _Range:
    """A merged range: 0-based rows of the sheet, and columns of its rows."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class MergedCells:
    """The merged ranges of several rows below the header, and how many cells were filled from them.

    A range of one row is a title, or a name over several columns, and is not filled.
    """

    def __init__(self, sheet: CalamineSheet, header_row: int) -> None:
        """Select the ranges.

        Args:
            sheet: The sheet.
            header_row: The 0-based row of the header. Ranges that begin above it are titles; ranges that begin in it
                are names, unless they are too long.
        """
        offset = sheet.start[1] if sheet.start else 0
        ranges = (
            _Range(top, bottom, left - offset, right - offset)
            for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
            if bottom > top and (top > header_row or (top == header_row and bottom - top >= _MAX_HEADER_ROWS))
        )
        self._waiting = sorted(ranges, key=lambda merged: merged.first_row, reverse=True)
        self._active: list[tuple[_Range, Cell]] = []
        self.filled = 0

    def fill(self, rows: Iterator[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
        """Yield the rows with the cells of ranges filled. ``rows`` must be all rows of the sheet, in order."""
        for number, cells in enumerate(rows):
            self._active = [(merged, value) for merged, value in self._active if merged.last_row >= number]
            filled = self._fill_row(cells) if self._active and any(cell not in ("", None) for cell in cells) else cells
            while self._waiting and self._waiting[-1].first_row <= number:
                merged = self._waiting.pop()
                if 0 <= merged.first_column < len(cells) and cells[merged.first_column] not in ("", None):
                    self._active.append((merged, cells[merged.first_column]))
            yield filled

    def _fill_row(self, cells: Sequence[Cell]) -> Sequence[Cell]:
        filled = list(cells)
        for merged, value in self._active:
            for column in range(merged.first_column, min(merged.last_column + 1, len(filled))):
                if filled[column] in ("", None):
                    filled[column] = value
                    self.filled += 1
        return filled

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return a warning with the number of cells that were filled."""
        if not self.filled:
            return ()
        return (f"{counted(self.filled, 'cell')} merged with a cell above: read with its value",)
