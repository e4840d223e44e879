"""Cells of numeric columns."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import cycle
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.signature import Column
from pipeline.parsing.numbers import NumberFormat, parse_number
from pipeline.parsing.text import strip_text
from pipeline.serving.cells.errors import InvalidCellError
from pipeline.serving.cells.markers import MissingMarkers

__all__ = ["MAX_LETTERS", "NumberReader"]

MAX_LETTERS = 100  # maximum length of a text that may be a number or a date
_NUMBERS = frozenset({float, int})
_CELLS = _NUMBERS | {NoneType, str}
_FLOAT, _DOUBLE = ("f", "±3.4e38"), ("d", "±1.8e308")  # type code of struct and numpy, range of the type
_NOT_PACKED = (struct.error, OverflowError)  # for a cell that is not a number, or a number that is too large


class NumberReader:
    """Reads numbers, null as missing, and texts in the number format of the training file.

    ``struct`` packs a list of numbers in a third of numpy's time, and raises an error if a number is too large.

    Args:
        columns: Columns of the cells, which are read row by row.
        missing: Markers of missing values.
    """

    def __init__(self, columns: Sequence[Column], missing: MissingMarkers) -> None:
        self._formats = [column.number_format for column in columns]
        self._missing_texts, self._missing_numbers = missing.texts_of_numbers, missing.numbers
        self._code, self._bound = _DOUBLE if columns[0].is_wide else _FLOAT
        self._pack_row = struct.Struct(f"<{len(columns)}{self._code}").pack_into

    def __call__(self, cells: Sequence[Any]) -> NDArray[Any]:
        """Read cells, row by row; missing values are NaN.

        Raises:
            InvalidCellError: A cell is not a number in its column's format, or is too large.
        """
        numbers = None if self._missing_numbers else self.pack(cells)
        if numbers is None:
            numbers = self.pack(self._read_numbers(cells))
        if numbers is None:
            raise self._too_large()
        return numbers

    def pack(self, cells: Sequence[Any]) -> NDArray[Any] | None:
        """Return numbers as an array; None if a cell is not a number, or is too large."""
        try:
            numbers = np.frombuffer(struct.pack(f"<{len(cells)}{self._code}", *cells), f"<{self._code}")
        except _NOT_PACKED:
            return None
        # struct packs booleans as 0 and 1: the types of the cells are checked only if there is such a number.
        if ((numbers == 0) | (numbers == 1)).any() and bool in set(map(type, cells)):
            return None
        return numbers

    def read_row(self, cells: Sequence[Any], row: NDArray[Any]) -> None:
        """Read the cells of one row into an array.

        Raises:
            InvalidCellError: A cell is not a number in its column's format, or is too large.
        """
        try:
            self._pack_row(row.data, 0, *self._read_numbers(cells))
        except _NOT_PACKED:
            raise self._too_large() from None

    def _read_numbers(self, cells: Sequence[Any]) -> Sequence[float]:
        if _NUMBERS.issuperset(map(type, cells)) and not self._missing_numbers:
            return cells
        types = set(map(type, cells))
        if not types <= _CELLS:
            raise InvalidCellError("a number or null is expected")
        if str not in types and not self._missing_numbers:
            return [math.nan if cell is None else cell for cell in cells]
        formats = cycle(self._formats)
        return [self._read_cell(cell, number_format) for cell, number_format in zip(cells, formats)]  # noqa: B905 - endless

    def _read_cell(self, cell: Any, number_format: NumberFormat) -> float:
        if type(cell) is str:
            return self._read_text(cell, number_format)
        return math.nan if cell is None or cell in self._missing_numbers else cell

    def _read_text(self, cell: str, number_format: NumberFormat) -> float:
        text = strip_text(cell)
        if text in self._missing_texts:
            return math.nan
        number = parse_number(text, number_format) if len(text) <= MAX_LETTERS else None
        if number is None or math.isnan(number):
            raise InvalidCellError(f"a number such as {_example(number_format)} or null is expected", "other text")
        if math.isinf(number):
            raise self._too_large()
        return number

    def _too_large(self) -> InvalidCellError:
        return InvalidCellError(f"a number within {self._bound} is expected", "a larger one")


def _example(number_format: NumberFormat) -> str:
    return f"1{number_format.group}299{number_format.decimal}5"
