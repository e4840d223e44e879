"""How the cells of a column are read. All at once: which cell is wrong is only asked when one is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.contracts.signature import Column, ColumnKind
from pipeline.serving.cells.booleans import BooleanReader
from pipeline.serving.cells.dates import DateReader
from pipeline.serving.cells.markers import MissingMarkers
from pipeline.serving.cells.numbers import NumberReader
from pipeline.serving.cells.texts import CodeReader, TextReader

__all__ = ["CellKind", "ReadCells", "cell_kind", "make_reader"]

ReadCells = Callable[[Sequence[Any]], Sequence[Any]]  # row-major cells -> elements of an array


class CellKind(NamedTuple):
    """What columns that are read together have in common. ``shape``: of one element, where it is an array itself."""

    reader: str
    dtype: type
    shape: tuple[int, ...] = ()


_KINDS: dict[ColumnKind, CellKind] = {
    "numeric": CellKind("number", np.float32),
    "categorical": CellKind("text", object),
    "text": CellKind("text", object),
    "boolean": CellKind("boolean", np.float32),
    "datetime": CellKind("date", np.float64),
}


def cell_kind(column: Column) -> CellKind:
    """Name the reader and the elements of ``column``."""
    if column.kind == "image":
        return CellKind("image", np.uint8, column.shape)
    if column.is_code:
        return CellKind("code", object)
    return CellKind("number", np.float64) if column.is_wide else _KINDS[column.kind]


def make_reader(columns: Sequence[Column], missing: MissingMarkers) -> ReadCells:
    """A function that reads the cells of ``columns``, which are of one CellKind, row after row.

    It raises RefusedCellError when a cell is not of its column's kind.
    """
    kind = cell_kind(columns[0])
    if kind.reader == "image":
        from pipeline.serving.cells.images import images_of  # noqa: PLC0415 - a table pays nothing for it

        return images_of(kind.shape)
    readers: dict[str, Callable[[], ReadCells]] = {
        "number": lambda: NumberReader(columns, missing),
        "text": lambda: TextReader(missing),
        "code": lambda: CodeReader(missing),
        "boolean": lambda: BooleanReader(missing),
        "date": lambda: DateReader(columns, missing),
    }
    return readers[kind.reader]()
