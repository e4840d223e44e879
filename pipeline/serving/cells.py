"""Cells of a request as the arrays that a model takes: all at once, and one by one only to say which is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.missing import FALSE, MISSING, TRUE

__all__ = ["Block", "Cells", "Place", "flags", "json_kind", "numbers", "texts"]

Cells = Sequence[tuple[Any, ...]]  # row by row, all equally wide
Place = Callable[[int, int], str]  # (row, column of the cells) -> where that is, in the request's own terms
Block = NDArray[Any]  # [columns, rows]: each column contiguous

_NUMBERS = frozenset({float, int, type(None)})
_LARGEST = float(np.finfo(np.float32).max)
_KINDS = {
    str: "text", bool: "a boolean", int: "a number", float: "a number",
    list: "an array", dict: "an object", type(None): "null",
}  # fmt: skip


def json_kind(value: object) -> str:
    """What a JSON value is, without the value."""
    return _KINDS[type(value)]


def numbers(cells: Cells, place: Place) -> Block:
    """float32, null as NaN; raise InvalidRequestError for what is no number, or none that float32 can hold."""
    if not _NUMBERS.issuperset(map(type, chain.from_iterable(cells))):
        raise _located(cells, place, _number)
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(np.array(cells, np.float32).T)
    except FloatingPointError:
        raise _located(cells, place, _number) from None


def texts(cells: Cells, place: Place) -> Block:
    """str, '' for null and for a marker of a missing value; raise InvalidRequestError for arrays and objects."""
    try:
        found = [_text(cell) for cell in chain.from_iterable(cells)]
    except TypeError:
        raise _located(cells, place, _text) from None
    return np.ascontiguousarray(np.array(found, object).reshape(len(cells), -1).T)


def flags(cells: Cells, place: Place) -> Block:
    """float32: 1 for true, 0 for false, NaN for a missing value; raise InvalidRequestError for anything else."""
    try:
        found = [_flag(cell) for cell in chain.from_iterable(cells)]
    except TypeError:
        raise _located(cells, place, _flag) from None
    return np.ascontiguousarray(np.array(found, np.float32).reshape(len(cells), -1).T)


def _number(cell: object) -> None:
    if type(cell) not in _NUMBERS:
        raise TypeError(f"a number or null is expected, not {json_kind(cell)}")
    if isinstance(cell, int | float) and abs(cell) > _LARGEST:
        raise TypeError("a number within ±3.4e38 is expected, not a larger one")


def _text(cell: object) -> str:
    if type(cell) is str:
        text = cell.strip()
        return "" if text in MISSING else text
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # a client whose column has missing values writes the code 1 as 1.0
    if isinstance(cell, int | float):
        return str(cell)
    raise TypeError(f"text or null is expected, not {json_kind(cell)}")


def _flag(cell: object) -> float:
    if isinstance(cell, bool):
        return float(cell)
    text = cell.strip() if isinstance(cell, str) else ""
    if (word := text.lower()) in TRUE:
        return 1.0
    if word in FALSE:
        return 0.0
    if cell is None or (isinstance(cell, str) and text in MISSING):
        return np.nan
    raise TypeError(f"true, false or null is expected, not {_other(cell)}")


def _other(cell: object) -> str:
    return "another text" if isinstance(cell, str) else json_kind(cell)


def _located(cells: Cells, place: Place, read: Callable[[object], object]) -> InvalidRequestError:
    """The first cell that ``read`` refuses, by where it is: what is in it is the user's."""
    for row, cells_of_row in enumerate(cells):
        for column, cell in enumerate(cells_of_row):
            try:
                read(cell)
            except TypeError as error:
                return InvalidRequestError(f"{place(row, column)}: {error}")
    raise AssertionError("the whole was refused, so one of its cells is")
