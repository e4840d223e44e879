"""A model's columns: what a request must bring, how it becomes the session's feeds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import ColumnKind, Signature
from pipeline.serving.cells import Kind, RefusedCellError, json_kind, kind_of

__all__ = ["Columns", "Feeds", "shown"]

Feeds = dict[str, NDArray[Any]]
Row = Mapping[str, Any]
Where = Callable[[int, str], str]  # (row, column's name) -> where that is, in the request's own terms
_SHOWN = 10  # names in one message


class _Group(NamedTuple):
    """The columns that are read in one way, and how to take a row's cells of them."""

    names: Sequence[str]
    cells_of: Callable[[Row], Sequence[Any]]
    kind: Kind


class _OneRow(threading.local):
    """A thread's own arrays for one row, which each request fills anew: to make them takes four times as long."""

    def __init__(self, groups: Sequence[_Group]) -> None:
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
        self.kinds: dict[str, ColumnKind] = {column.name: column.kind for column in signature.columns}
        self.shapes = {column.name: column.shape for column in signature.columns}
        self._target = signature.target
        self._most_rows = most_rows
        self._readers = {column.name: kind_of(column) for column in signature.columns}
        self._groups = []
        for kind in dict.fromkeys(self._readers.values()):
            names = [name for name, reader in self._readers.items() if reader == kind]
            self._groups.append(_Group(names, _cells_of(names), kind))
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
        own = self._one_row
        for group, arrays in zip(self._groups, own.arrays):  # noqa: B905 - strict would double the time
            for array, cell in zip(arrays, group.kind.read(group.cells_of(row))):  # noqa: B905 - the same
                array[0] = cell
        return own.feeds

    def _of_many(self, rows: Sequence[Row]) -> Feeds:
        found: Feeds = {}
        for names, cells_of, kind in self._groups:
            cells = kind.read(list(chain.from_iterable(map(cells_of, rows))))
            columns: NDArray[Any] = np.array(cells, kind.dtype).reshape(len(rows), -1, *kind.shape).swapaxes(0, 1)
            found.update(zip(names, columns, strict=True))
        return found

    def _first_refused(self, rows: Sequence[Row], where: Where) -> InvalidRequestError:
        for number, row in enumerate(rows):
            for name, kind in self._readers.items():
                try:
                    kind.read([row[name]])
                except RefusedCellError as error:
                    found = error.found or json_kind(row[name])
                    return InvalidRequestError(f"{where(number, name)}: {error}, this is {found}")
        raise AssertionError("they were refused together, so one of them is")

    def check_count(self, rows: int, where: str) -> None:
        """Raise InvalidRequestError for no rows, and for more than one answer can hold."""
        if not 0 < rows <= self._most_rows:
            raise InvalidRequestError(f"{where}: 1 to {self._most_rows} rows are expected, there are {rows}")

    def check_names(self, given: Collection[str], where: str) -> None:
        """Raise InvalidRequestError, naming them, when columns are missing or unknown."""
        missing = [name for name in self.kinds if name not in given]
        unknown = [name for name in given if name not in self.kinds]
        wrong = []
        if missing:
            wrong.append(f"lacks {_listed(missing)}")
        if unknown:
            hints = "; ".join(filter(None, map(self._hint, unknown[:_SHOWN])))
            wrong.append(f"has {_listed(unknown)}, which the model does not read{hints and f' ({hints})'}")
        if wrong:
            raise InvalidRequestError(f"{where} {' and '.join(wrong)}: expected are {_listed(self.kinds)}")

    def _hint(self, name: str) -> str | None:
        from difflib import get_close_matches  # noqa: PLC0415 - only a mistake pays for it

        if name == self._target:
            return f"'{shown(name)}' is what it predicts"
        near = get_close_matches(name, self.kinds, n=1)
        return f"'{shown(name)}' is near '{near[0]}'" if near else None


def _cells_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """itemgetter gives a tuple only for two names or more."""
    if len(names) == 1:
        return lambda row: (row[names[0]],)
    return itemgetter(*names)


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{shown(name)}'" for name in names]
    more = len(quoted) - _SHOWN
    return ", ".join(quoted[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shown(name: str) -> str:
    """A name that a user chose, fit for one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:60])
