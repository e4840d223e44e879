"""Recognize a last row with the sums or means of the columns above, whatever its label is."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.parsing.numbers import NumberFormat, parse_number
from pipeline.validation.readers.dialects.cells import is_missing, kind_of
from pipeline.validation.readers.dialects.records import TextRow

__all__ = ["ColumnTotals"]

_MAX_CHANCE = 0.02  # maximum probability that sums or means are a coincidence
_MAX_UNLABELED_CHANCE = 0.001  # the same if all cells are numbers
_NEUTRAL = 0.999  # probability for the sum of a column of zeros, which is no evidence
_MIN_VALUES = 2
_MAX_TOTALS = 3  # maximum rows of totals below the data, such as a sum and a mean
_FORMATS = tuple(
    NumberFormat(decimal=decimal, group=group, units=("%",))
    for decimal, group in ((".", ""), (".", ","), (",", ""), (",", "."))
)


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of a column above a row, and their maximum number of decimals."""

    values: tuple[float, ...]
    decimals: int

    def chance(self, total: float, decimals: int) -> float:
        """Return the probability that ``total`` is the sum or mean by coincidence; 1 if it is neither."""
        values = self.values
        rounding = 0.5 * 10.0**-decimals
        spread = max(values) - min(values)
        try:
            total_sum = math.fsum(values)
        except OverflowError:  # beyond the largest float, so the total cannot be this sum
            return 1.0
        tolerance = rounding + (0.3 * math.sqrt(len(values)) * 10.0**-self.decimals if self.decimals else 0.0)
        if not any(values) and not total:
            return _NEUTRAL
        if abs(total - total_sum) <= tolerance * 1.001 + 1e-9 * abs(total_sum) and total_sum:
            is_beyond = not min(values) <= total <= max(values)
            return min(1.0, 2 * tolerance / (spread or 1.0)) / (len(values) + 1 if is_beyond else 1)
        if spread and abs(total - total_sum / len(values)) <= rounding * 1.001 + 1e-9 * spread:
            return min(1.0, 2 * rounding / spread)
        return 1.0


@dataclass(slots=True)
class ColumnTotals:
    """Compares the last rows of a table with the sums and means of its columns."""

    rows: Sequence[TextRow]
    width: int
    _columns: dict[tuple[int, int, int], _Column | None] = field(default_factory=dict)

    def is_total_row(self, cells: Sequence[str], line: int) -> bool:
        """Return whether all numbers of a line are sums or means, and the other cells are empty or one label."""
        labels = [cell for cell in cells if cell and kind_of(cell) != "number"]
        if len(labels) > 1:
            return False
        limit = _MAX_CHANCE if labels or not all(cells) else _MAX_UNLABELED_CHANCE
        return any(_multiply_chances(chances) <= limit for chances in self._compare(cells, line))

    def holds_total(self, cells: Sequence[str], line: int) -> bool:
        """Return whether at least one number of a line with a total's label is a sum or mean."""
        return any(any(chance <= _MAX_CHANCE for chance in chances) for chances in self._compare(cells, line))

    def _compare(self, cells: Sequence[str], line: int) -> Iterator[Iterator[float]]:
        """Yield the chances of the numbers, first compared with all rows above, then without the last of these rows.

        Each chance is computed only when it is needed, since it reads the whole column.
        """
        numbers = [column for column, cell in enumerate(cells[: self.width]) if cell and kind_of(cell) == "number"]
        end = bisect.bisect_left(self.rows, line, key=lambda row: row.line)
        for last in range(end, max(_MIN_VALUES, end + 1 - _MAX_TOTALS) - 1, -1):
            if numbers:
                yield self._chances(numbers, cells, last)

    def _chances(self, columns: Sequence[int], cells: Sequence[str], end: int) -> Iterator[float]:
        for column in columns:
            yield self._chance(column, cells[column], end)

    def _chance(self, column: int, cell: str, end: int) -> float:
        chances = [1.0]
        for index, number_format in enumerate(_FORMATS):
            total = parse_number(cell, number_format)
            if total is None:
                continue
            if (column, end, index) not in self._columns:
                self._columns[column, end, index] = self._parse(column, end, number_format)
            if values := self._columns[column, end, index]:
                chances.append(values.chance(total, _count_decimals(cell, number_format)))
        return min(chances)

    def _parse(self, column: int, end: int, number_format: NumberFormat) -> _Column | None:
        values: list[float] = []
        decimals = 0
        for row in self.rows[:end]:
            cell = row.cells[column] if row.cells and row.width == self.width else ""
            if is_missing(cell):
                continue
            value = parse_number(cell, number_format)
            if value is None:
                return None
            values.append(value)
            decimals = max(decimals, _count_decimals(cell, number_format))
        return _Column(tuple(values), decimals) if len(values) >= _MIN_VALUES else None


def _multiply_chances(chances: Iterable[float]) -> float:
    """Return the product, or 1 as soon as one factor is 1, as in the first column of most data rows."""
    result = 1.0
    for chance in chances:
        if chance >= 1.0:
            return 1.0
        result *= chance
    return result


def _count_decimals(cell: str, number_format: NumberFormat) -> int:
    match = re.search(rf"{re.escape(number_format.decimal)}(\d+)\D*$", cell)
    return len(match[1]) if match else 0
