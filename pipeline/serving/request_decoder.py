"""Decode the rows of a request into the feeds of an onnxruntime session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from pipeline.serving.cells.numbers import NumberReader
from pipeline.serving.names import ColumnNames

__all__ = ["Cells", "Feeds", "RequestDecoder"]

Feeds = dict[str, NDArray[Any]]
Cells = list[Any] | np.ndarray[Any, Any]  # values of one column, one per row
Row = Mapping[str, Any]
Where = Callable[[int, str], str]  # (row, column) -> location of the cell in the request, for messages
_GetCells = Callable[[Any], Sequence[Any]]  # row -> cells of some columns


class _ColumnGroup(NamedTuple):
    """Columns of one kind, which are read together; ``get_cells`` returns their cells of a row."""

    names: Sequence[str]
    get_cells: _GetCells
    read: ReadCells
    kind: CellKind


class _RowBuffers(threading.local):
    """Arrays for single-row requests, which each thread reuses: creating new ones would take four times as long.

    Each group of columns has one array of the shape [columns, 1, ...], whose rows are the feeds.
    """

    def __init__(self, groups: Sequence[_ColumnGroup]) -> None:
        self.fill: list[Callable[[Sequence[Any]], None]] = []
        self.feeds: Feeds = {}
        for group in groups:
            row: NDArray[Any] = np.zeros((len(group.names), 1, *group.kind.shape), group.kind.dtype)
            columns = list(row)
            self.feeds.update(zip(group.names, columns, strict=True))
            self.fill.append(
                partial(group.read.read_row, row=row)
                if isinstance(group.read, NumberReader)
                else partial(_fill_columns, group.read, columns)
            )


def _fill_columns(read: ReadCells, columns: Sequence[NDArray[Any]], cells: Sequence[Any]) -> None:
    for column, cell in zip(columns, read(cells)):  # noqa: B905 - strict would double the time
        column[0] = cell


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
        self._row_getters = [group.get_cells for group in self._groups]
        self._buffers = _RowBuffers(self._groups)

    @property
    def number_dtype(self) -> np.dtype[Any] | None:
        """Return the dtype that all columns share if they are numeric and no number marks missing values; else None."""
        kinds = list(set(self._kinds.values()))
        is_number = len(kinds) == 1 and kinds[0].reader == "number" and not self._has_missing_numbers
        return np.dtype(kinds[0].dtype) if is_number else None

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
            return self._fill_row(rows[0], self._row_getters) if len(rows) == 1 else self._decode_rows(rows)
        except InvalidCellError:
            raise self._find_invalid_cell(rows, where) from None

    def pack_numbers(self, name: str, cells: list[Any]) -> NDArray[Any] | None:
        """Return the numbers of a column as an array; None if a cell needs more than packing, or is too large."""
        read = self._readers[name]
        return read.pack(cells) if isinstance(read, NumberReader) and not self._has_missing_numbers else None

    def row_reader(self, names: Sequence[str], where: Where) -> Callable[[Sequence[Any]], Feeds]:
        """Return a function that decodes one row, whose cells are in the order of ``names``.

        The function's arrays are valid until this thread's next call. It raises the same errors as ``feeds``.
        """
        positions = {name: position for position, name in enumerate(names)}
        getters = [_make_cell_getter([positions[name] for name in group.names]) for group in self._groups]

        def read(cells: Sequence[Any]) -> Feeds:
            try:
                return self._fill_row(cells, getters)
            except InvalidCellError:
                raise self._find_invalid_cell([dict(zip(names, cells, strict=True))], where) from None

        return read

    def column_feeds(self, columns: Mapping[str, Cells], where: Where) -> Feeds:
        """Decode columns into one array per column.

        Args:
            columns: Cells by column, equally many each; a numpy array has one axis, and its NaN is a missing value.
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
                cells = _to_cells(cells)
            try:
                feeds[name] = np.asarray(self._readers[name](cells), kind.dtype)
            except InvalidCellError:
                raise self._find_invalid_cell([{name: cell} for cell in cells], where) from None
        return feeds

    def _fill_row(self, row: Any, getters: Sequence[_GetCells]) -> Feeds:
        buffers = self._buffers
        for fill, get_cells in zip(buffers.fill, getters):  # noqa: B905 - strict would double the time
            fill(get_cells(row))
        return buffers.feeds

    def _decode_rows(self, rows: Sequence[Row]) -> Feeds:
        feeds: Feeds = {}
        for names, get_cells, read, kind in self._groups:
            cells = read(list(chain.from_iterable(map(get_cells, rows))))
            table: NDArray[Any] = np.asarray(cells, kind.dtype).reshape(len(rows), -1, *kind.shape)
            feeds.update(zip(names, np.ascontiguousarray(table.swapaxes(0, 1)), strict=True))
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
            InvalidRequestError: There are no rows.
            TooManyRowsError: There are more rows than a response can have.
        """
        if not 0 < rows <= self._max_rows:
            error = TooManyRowsError if rows else InvalidRequestError
            raise error(f"{where}: 1 to {self._max_rows} rows are expected, there are {rows}")


def _to_cells(array: NDArray[Any]) -> list[Any]:
    """Return the elements of an array as Python's values, with None for NaN."""
    cells = array.tolist()
    return [None if cell != cell else cell for cell in cells] if array.dtype.kind == "f" else cells  # noqa: PLR0124 - NaN


def _cast_numbers(cells: NDArray[Any], dtype: type, name: str, where: Where) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        numbers: NDArray[Any] = cells.astype(dtype, copy=False)
    if np.isinf(numbers).any():
        index = int(np.flatnonzero(np.isinf(numbers))[0])
        bound = "±1.8e308" if dtype is np.float64 else "±3.4e38"
        raise InvalidRequestError(f"{where(index, name)}: a number within {bound} is expected, this is a larger one")
    return numbers


def _make_cell_getter(keys: Sequence[Any]) -> _GetCells:
    """Return a function from a row to a tuple of cells; itemgetter returns a tuple only for two or more keys."""
    if len(keys) == 1:
        return lambda row: (row[keys[0]],)
    return itemgetter(*keys)
