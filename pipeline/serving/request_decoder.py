"""A model's columns: what a request must bring, how it becomes the session's feeds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.serving.cells.errors import RefusedCellError, json_kind
from pipeline.serving.cells.kinds import CellKind, ReadCells, cell_kind, make_reader
from pipeline.serving.cells.markers import MissingMarkers
from pipeline.serving.names import ColumnNames

__all__ = ["Columns", "Feeds"]

Feeds = dict[str, NDArray[Any]]
Row = Mapping[str, Any]
Where = Callable[[int, str], str]  # (row, column's name) -> where that is, in the request's own terms


class _ColumnGroup(NamedTuple):
    """Columns that are read together, and how to take a row's cells of them."""

    names: Sequence[str]
    cells_of: Callable[[Row], Sequence[Any]]
    read: ReadCells
    kind: CellKind


class _OneRow(threading.local):
    """A thread's own arrays for one row, which each request fills anew: to make them takes four times as long."""

    def __init__(self, groups: Sequence[_ColumnGroup]) -> None:
        self.arrays: list[list[NDArray[Any]]] = [
            [np.zeros((1, *group.kind.shape), group.kind.dtype) for _ in group.names] for group in groups
        ]
        self.feeds = {
            name: array
            for group, arrays in zip(groups, self.arrays, strict=True)
            for name, array in zip(group.names, arrays, strict=True)
        }


class Columns:
    """Made once a model, so that a request costs one look a cell."""

    def __init__(self, signature: Signature, most_rows: int) -> None:
        self.by_name = {column.name: column for column in signature.columns}
        self.names = ColumnNames(signature)
        self.width = len(signature.columns)
        self._most_rows = most_rows
        missing = MissingMarkers(signature)
        self._readers = {column.name: make_reader([column], missing) for column in signature.columns}
        kinds = {column.name: cell_kind(column) for column in signature.columns}
        self._groups = []
        for kind in dict.fromkeys(kinds.values()):
            columns = [column for column in signature.columns if kinds[column.name] == kind]
            names = [column.name for column in columns]
            self._groups.append(_ColumnGroup(names, _cells_of(names), make_reader(columns, missing), kind))
        self._one_row = _OneRow(self._groups)

    def feeds(self, rows: Sequence[Row], where: Where) -> Feeds:
        """One array a column; those of a single row are good until this thread's next call.

        Raises InvalidRequestError, naming the place, for a cell that is not of its column's kind; KeyError for a row
        that lacks a column.
        """
        try:
            return self._of_one(rows[0]) if len(rows) == 1 else self._of_many(rows)
        except RefusedCellError:
            raise self._first_refused(rows, where) from None

    def _of_one(self, row: Row) -> Feeds:
        buffers = self._one_row
        for group, arrays in zip(self._groups, buffers.arrays):  # noqa: B905 - strict would double the time
            for array, cell in zip(arrays, group.read(group.cells_of(row))):  # noqa: B905 - the same
                array[0] = cell
        return buffers.feeds

    def _of_many(self, rows: Sequence[Row]) -> Feeds:
        feeds: Feeds = {}
        for names, cells_of, read, kind in self._groups:
            cells = read(list(chain.from_iterable(map(cells_of, rows))))
            columns: NDArray[Any] = np.array(cells, kind.dtype).reshape(len(rows), -1, *kind.shape).swapaxes(0, 1)
            feeds.update(zip(names, columns, strict=True))
        return feeds

    def _first_refused(self, rows: Sequence[Row], where: Where) -> InvalidRequestError:
        for number, row in enumerate(rows):
            for name, read in self._readers.items():
                try:
                    read([row[name]])
                except RefusedCellError as error:
                    actual = error.actual or json_kind(row[name])
                    return InvalidRequestError(f"{where(number, name)}: {error}, this is {actual}")
        raise AssertionError("they were refused together, so one of them is")

    def check_count(self, rows: int, where: str) -> None:
        """Raise InvalidRequestError for no rows, and for more than one answer can hold."""
        if not 0 < rows <= self._most_rows:
            raise InvalidRequestError(f"{where}: 1 to {self._most_rows} rows are expected, there are {rows}")


def _cells_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """itemgetter gives a tuple only for two names or more."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)
