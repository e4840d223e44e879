"""A table that fits its terminal by dropping columns, never by breaking words or ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

__all__ = ["FittedColumn", "FittedTable"]

_UNBOUNDED = 100_000
_WRAPPED = 20  # characters that a column which wraps gets before other columns are added
_BETWEEN = 2  # a column's padding and the space before it


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)  # two columns may bear one name
class FittedColumn:
    """``drop``: order of dropping from a table that is too wide, greatest first; 0: never. ``wraps``: between words."""

    name: str
    drop: int = 0
    right: bool = False
    wraps: bool = False


@dataclass(kw_only=True, slots=True)
class FittedTable:
    """Rows under columns. If the columns that are never dropped do not fit, lines are longer than the terminal."""

    columns: Sequence[FittedColumn]
    rows: list[tuple[Sequence[RenderableType], str | None]] = field(default_factory=list)

    def add(self, *cells: RenderableType, style: str | None = None) -> None:
        """Add a row, with a cell for each column from the left; columns without a cell are empty."""
        self.rows.append(((*cells, *[""] * (len(self.columns) - len(cells))), style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unbounded = options.update(max_width=_UNBOUNDED)
        min_widths = {column: self._min_width(column, console, unbounded) for column in self.columns}
        preferred_widths = {
            column: max(width, self._preferred_width(column, console, unbounded))
            for column, width in min_widths.items()
        }
        shown = self._choose(preferred_widths, options.max_width)
        width = max(options.max_width, _total(shown, min_widths))
        yield from console.render(self._table(shown, min_widths), options.update(max_width=width))

    def _choose(self, widths: Mapping[FittedColumn, int], max_width: int) -> list[FittedColumn]:
        """Return as many columns as fit, the last ones to be dropped first; empty columns are left out."""
        chosen = {column for column in self.columns if not column.drop}
        for column in sorted(set(self.columns) - chosen, key=lambda column: column.drop):
            if any(map(str, self._cells(column))) and _total([*chosen, column], widths) <= max_width:
                chosen.add(column)
        return [column for column in self.columns if column in chosen]

    def _cells(self, column: FittedColumn) -> list[RenderableType]:
        index = self.columns.index(column)
        return [cells[index] for cells, _ in self.rows]

    def _measures(self, column: FittedColumn, console: Console, options: ConsoleOptions) -> list[Measurement]:
        return [Measurement.get(console, options, cell) for cell in (Text(column.name), *self._cells(column))]

    def _min_width(self, column: FittedColumn, console: Console, options: ConsoleOptions) -> int:
        """Return the width that breaks no word."""
        measures = self._measures(column, console, options)
        return max(measure.minimum if column.wraps else measure.maximum for measure in measures)

    def _preferred_width(self, column: FittedColumn, console: Console, options: ConsoleOptions) -> int:
        """Return the width that gives a column which wraps room for some words."""
        return min(_WRAPPED, max(measure.maximum for measure in self._measures(column, console, options)))

    def _table(self, columns: Sequence[FittedColumn], widths: Mapping[FittedColumn, int]) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(
                Text(column.name, no_wrap=True),
                justify="right" if column.right else "left",
                no_wrap=not column.wraps,
                min_width=widths[column],
            )
        cells = [self._cells(column) for column in columns]
        for number, (_, style) in enumerate(self.rows):
            table.add_row(*(column[number] for column in cells), style=style)
        return table


def _total(columns: Sequence[FittedColumn], widths: Mapping[FittedColumn, int]) -> int:
    return sum(widths[column] + _BETWEEN for column in columns) + 1
