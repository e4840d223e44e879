"""Decode the rows of a request into the feeds of an onnxruntime session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError, TooManyRowsError
from pipeline.contracts.signature import Signature
from pipeline.serving.cells.errors import InvalidCellError, json_type
from pipeline.serving.cells.kinds import CellKind, ReadCells, cell_kind, make_reader
from pipeline.serving.cells.markers import MissingMarkers
from pipeline.serving.names import ColumnNames

__all__ = ["Cells", "Feeds", "RequestDecoder", "to_cells"]

Feeds = dict[str, NDArray[Any]]
Cells = list[Any] | np.ndarray[Any, Any]  # of one column: one value per row
Row = Mapping[str, Any]
Where = Callable[[int, str], str]  # (row, column) -> location in the request's terms


class _ColumnGroup(NamedTuple):
    """Columns that are read together, and the getter of their cells in a row."""

    names: Sequence[str]
    get_cells: Callable[[Row], Sequence[Any]]
    read: ReadCells
    kind: CellKind


class _RowBuffers(threading.local):
    """One thread's arrays for single-row requests, reused: creating them would take four times as long."""

    def __init__(self, groups: Sequence[_ColumnGroup]) -> None:
        self.arrays: list[list[NDArray[Any]]] = [
            [np.zeros((1, *group.kind.shape), group.kind.dtype) for _ in group.names] for group in groups
        ]
        self.feeds = {
            name: array
            for group, arrays in zip(groups, self.arrays, strict=True)
            for name, array in zip(group.names, arrays, strict=True)
        }


class RequestDecoder:
    """Decodes requests of one model; built once, so that a request costs one look-up per cell.

    Args:
        signature: Columns of the model.
        max_rows: Maximum number of rows of a request.
    """

    def __init__(self, signature: Signature, max_rows: int) -> None:
        self.by_name = {column.name: column for column in signature.columns}
        self.names = ColumnNames(signature)
        self.width = len(signature.columns)
        self.takes_matrix = all(column.kind in ("numeric", "boolean") for column in signature.columns)
        self._max_rows = max_rows
        missing = MissingMarkers(signature)
        self._has_missing_numbers = bool(missing.numbers)
        self._readers = {column.name: make_reader([column], missing) for column in signature.columns}
        self._kinds = kinds = {column.name: cell_kind(column) for column in signature.columns}
        self._groups = []
        for kind in dict.fromkeys(kinds.values()):
            columns = [column for column in signature.columns if kinds[column.name] == kind]
            names = [column.name for column in columns]
            self._groups.append(_ColumnGroup(names, _make_cell_getter(names), make_reader(columns, missing), kind))
        self._buffers = _RowBuffers(self._groups)

    def feeds(self, rows: Sequence[Row], where: Where) -> Feeds:
        """Decode rows into one array per column.

        The arrays of a single row are valid until this thread's next call.

        Args:
            rows: Cells by column.
            where: Returns the location of a cell, for messages.

        Raises:
            InvalidRequestError: A cell is not valid in its column; the message says where.
            KeyError: A row lacks a column.
        """
        try:
            return self._decode_row(rows[0]) if len(rows) == 1 else self._decode_rows(rows)
        except InvalidCellError:
            raise self._find_invalid_cell(rows, where) from None

    def column_feeds(self, columns: Mapping[str, Cells], where: Where) -> Feeds:
        """Decode columns into one array per column.

        Args:
            columns: Cells by column, all of the same number; an array has one axis, and NaN is a missing value.
            where: Returns the location of a cell, for messages.

        Raises:
            InvalidRequestError: A cell is not valid in its column; the message says where.
            KeyError: A column is absent.
        """
        feeds: Feeds = {}
        for name, kind in self._kinds.items():
            cells = columns[name]
            if isinstance(cells, np.ndarray):
                if kind.reader == "number" and cells.dtype.kind in "iuf" and not self._has_missing_numbers:
                    feeds[name] = _cast_numbers(cells, kind.dtype, name, where)
                    continue
                cells = to_cells(cells)
            try:
                feeds[name] = np.array(self._readers[name](cells), kind.dtype)
            except InvalidCellError:
                raise self._find_invalid_cell([{name: cell} for cell in cells], where) from None
        return feeds

    def _decode_row(self, row: Row) -> Feeds:
        buffers = self._buffers
        for group, arrays in zip(self._groups, buffers.arrays):  # noqa: B905 - strict would double the time
            for array, cell in zip(arrays, group.read(group.get_cells(row))):  # noqa: B905 - the same
                array[0] = cell
        return buffers.feeds

    def _decode_rows(self, rows: Sequence[Row]) -> Feeds:
        feeds: Feeds = {}
        for names, get_cells, read, kind in self._groups:
            cells = read(list(chain.from_iterable(map(get_cells, rows))))
            columns: NDArray[Any] = np.array(cells, kind.dtype).reshape(len(rows), -1, *kind.shape).swapaxes(0, 1)
            feeds.update(zip(names, columns, strict=True))
        return feeds

    def _find_invalid_cell(self, rows: Sequence[Row], where: Where) -> InvalidRequestError:
        for number, row in enumerate(rows):
            for name in self._readers.keys() & row.keys() if len(row) < self.width else self._readers:
                try:
                    self._readers[name]([row[name]])
                except InvalidCellError as error:
                    actual = error.actual or json_type(row[name])
                    return InvalidRequestError(f"{where(number, name)}: {error}, this is {actual}")
        raise AssertionError("one of the cells is invalid")

    def check_count(self, rows: int, where: str) -> None:
        """Check the number of rows.

        Raises:
            InvalidRequestError: There are none.
            TooManyRowsError: There are more than a response can have.
        """
        if not 0 < rows <= self._max_rows:
            error = TooManyRowsError if rows else InvalidRequestError
            raise error(f"{where}: 1 to {self._max_rows} rows are expected, there are {rows}")


def to_cells(array: NDArray[Any]) -> list[Any]:
    """Return the elements of an array as JSON has them, with None for NaN."""
    cells = array.tolist()
    return [None if cell != cell else cell for cell in cells] if array.dtype.kind == "f" else cells  # noqa: PLR0124 - NaN


def _cast_numbers(cells: NDArray[Any], dtype: type, name: str, where: Where) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        numbers: NDArray[Any] = cells.astype(dtype)
    if np.isinf(numbers).any():
        index = int(np.flatnonzero(np.isinf(numbers))[0])
        bound = "±1.8e308" if dtype is np.float64 else "±3.4e38"
        raise InvalidRequestError(f"{where(index, name)}: a number within {bound} is expected, this is a larger one")
    return numbers


def _make_cell_getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function from a row to a tuple of cells; itemgetter returns a tuple only for two or more names."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)
