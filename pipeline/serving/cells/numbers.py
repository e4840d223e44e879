"""Cells of numeric columns."""

from __future__ import annotations

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

MAX_LETTERS = 100  # of a text that is a number or a date
_NUMBERS = frozenset({float, int, NoneType})
_FLOATS = frozenset({float})
_MIN_ARRAY = 32  # cells; fewer are read faster as they are
_NUMBERS_OR_TEXTS = _NUMBERS | {str}
_MAX_FLOAT, _MAX_DOUBLE = float(np.finfo(np.float32).max), float(np.finfo(np.float64).max)


class NumberReader:
    """Reads numbers, null as missing, and texts in the number format of the training file.

    Args:
        columns: Columns of the cells, which come row by row.
        missing: Markers of missing values.
    """

    def __init__(self, columns: Sequence[Column], missing: MissingMarkers) -> None:
        self._formats = [column.number_format for column in columns]
        self._missing_texts, self._missing_numbers = missing.texts_of_numbers, missing.numbers
        self._max, self._bound = (_MAX_DOUBLE, "±1.8e308") if columns[0].is_wide else (_MAX_FLOAT, "±3.4e38")

    def __call__(self, cells: Sequence[Any]) -> Sequence[Any] | NDArray[Any]:
        """Read cells, row by row; missing values are None.

        Raises:
            InvalidCellError: A cell is not a number in its column's format, or is too large.
        """
        types = set(map(type, cells))
        if types == _FLOATS and not self._missing_numbers and len(cells) >= _MIN_ARRAY:
            return self._check_array(np.array(cells, np.float64))
        if self._missing_numbers or not types <= _NUMBERS:
            if not types <= _NUMBERS_OR_TEXTS:
                raise InvalidCellError("a number or null is expected")
            cells = self._read_each(cells)
            types = set(map(type, cells))
        present = [0, *filter(None, cells)] if NoneType in types else cells
        if max(present) > self._max or min(present) < -self._max:
            raise InvalidCellError(f"a number within {self._bound} is expected", "a larger one")
        return cells

    def _check_array(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return floats if none is too large, all at once. JSON has neither NaN nor infinity."""
        if np.abs(numbers).max() > self._max:
            raise InvalidCellError(f"a number within {self._bound} is expected", "a larger one")
        return numbers

    def _read_each(self, cells: Sequence[Any]) -> list[Any]:
        formats = cycle(self._formats)
        return [
            self._read_text(cell, number_format)
            if type(cell) is str
            else (None if cell in self._missing_numbers else cell)
            for cell, number_format in zip(cells, formats)  # noqa: B905 - the formats have no end
        ]

    def _read_text(self, cell: str, number_format: NumberFormat) -> float | None:
        text = strip_text(cell)
        if text in self._missing_texts:
            return None
        number = parse_number(text, number_format) if len(text) <= MAX_LETTERS else None
        if number is None or np.isnan(number):
            raise InvalidCellError(f"a number such as {_example(number_format)} or null is expected", "other text")
        return number


def _example(number_format: NumberFormat) -> str:
    return f"1{number_format.group}299{number_format.decimal}5"
