"""Readers by kind of column. A reader reads all cells at once; the invalid cell is located only after an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.contracts.signature import Column, ColumnKind
from pipeline.serving.cells.booleans import read_booleans
from pipeline.serving.cells.dates import read_dates
from pipeline.serving.cells.markers import MissingMarkers
from pipeline.serving.cells.numbers import NumberReader
from pipeline.serving.cells.texts import read_codes, read_texts

__all__ = ["CellKind", "ReadCells", "cell_kind", "make_reader"]

ReadCells = Callable[[Sequence[Any]], Any]  # row-major cells -> elements of an array


class CellKind(NamedTuple):
    """Kind of a column's cells; columns of the same kind are read together.

    Attributes:
        reader: Name of the reader.
        dtype: Type of the array's elements.
        shape: Shape of one cell; empty for a scalar.
    """

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
    """Return the kind of a column's cells."""
    if column.kind == "image":
        return CellKind("image", np.uint8, column.shape)
    if column.is_code:
        return CellKind("code", object)
    return CellKind("number", np.float64) if column.is_wide else _KINDS[column.kind]


def make_reader(columns: Sequence[Column], missing: MissingMarkers) -> ReadCells:
    """Return a function that reads the cells of columns of one kind, row by row.

    The function raises InvalidCellError if a cell is not valid in its column.
    """
    kind = cell_kind(columns[0])
    if kind.reader == "image":
        from pipeline.serving.cells.images import read_images  # noqa: PLC0415 - only models of images need it

        return partial(read_images, shape=kind.shape)
    if kind.reader == "number":
        return NumberReader(columns, missing)
    readers: dict[str, ReadCells] = {
        "text": partial(read_texts, missing=missing.texts),
        "code": partial(read_codes, missing=missing.texts),
        "boolean": partial(read_booleans, missing=missing),
        "date": partial(read_dates, columns=columns, missing=missing),
    }
    return readers[kind.reader]
