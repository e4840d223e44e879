"""A model's columns: what a request must bring, how it becomes the session's feeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import ColumnKind, Signature
from pipeline.serving.cells import READERS, RefusedCellError, json_kind

__all__ = ["Columns", "Feeds", "shown"]

Feeds = dict[str, NDArray[Any]]
Row = Mapping[str, Any]
Where = Callable[[int, str], str]  # (row, column's name) -> where that is, in the request's own terms
_SHOWN = 10  # names in one message


class Columns:
    """Made once a model, so that a request costs one look a cell."""

    def __init__(self, signature: Signature, most_rows: int) -> None:
        self._most_rows = most_rows
        self.kinds: dict[str, ColumnKind] = {column.name: column.kind for column in signature.columns}
        self._target = signature.target
        self._groups = [
            (tuple(names), _cells_of(names), read)
            for kind, read in READERS.items()
            if (names := [name for name, its_kind in self.kinds.items() if its_kind == kind])
        ]

    def feeds(self, rows: Sequence[Row], where: Where) -> Feeds:
        """One array a column.

        Raises InvalidRequestError, naming the place, for a cell that is not of its column's kind; KeyError for a row
        that lacks a column.
        """
        found: Feeds = {}
        count = len(rows)
        try:
            for names, cells_of, read in self._groups:
                cells = cells_of(rows[0]) if count == 1 else list(chain.from_iterable(map(cells_of, rows)))
                found.update(zip(names, read(cells).reshape(count, -1).T))  # noqa: B905 - a microsecond each
        except RefusedCellError:
            raise self._first_refused(rows, where) from None
        return found

    def _first_refused(self, rows: Sequence[Row], where: Where) -> InvalidRequestError:
        for number, row in enumerate(rows):
            for name, kind in self.kinds.items():
                try:
                    READERS[kind]([row[name]])
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
