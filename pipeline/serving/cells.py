"""Cells of a request as what a model takes. All at once: which cell is wrong is only asked when one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

from pipeline.contracts.signature import Column, ColumnKind
from pipeline.parsing.dates import EARLIEST, LATEST, seconds_of
from pipeline.parsing.missing import FALSE, MISSING, TRUE

__all__ = ["Kind", "RefusedCellError", "json_kind", "kind_of"]

Cells = Sequence[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """``read`` makes elements of a ``dtype`` array of cells; it raises RefusedCellError when one is of another kind.

    ``shape``: of one element, where it is an array itself.
    """

    read: Callable[[Cells], Cells]
    dtype: type
    shape: tuple[int, ...] = ()


_NUMBERS = frozenset({float, int, NoneType})
_LARGEST = float(np.finfo(np.float32).max)
_KINDS = {
    str: "text", bool: "a boolean", int: "a number", float: "a number",
    list: "an array", dict: "an object", NoneType: "null",
}  # fmt: skip


class RefusedCellError(ValueError):
    """A cell is not of its column's kind; ``found`` says what it is where its JSON type does not."""

    def __init__(self, expected: str, found: str | None = None) -> None:
        super().__init__(expected)
        self.found = found


def json_kind(value: object) -> str:
    """What a JSON value is, without the value."""
    return _KINDS[type(value)]


def _numbers(cells: Cells) -> Cells:
    """As they are: in an array null is NaN."""
    kinds = set(map(type, cells))
    if not kinds <= _NUMBERS:
        raise RefusedCellError("a number or null is expected")
    present = [0, *filter(None, cells)] if NoneType in kinds else cells
    if max(present) > _LARGEST or min(present) < -_LARGEST:
        raise RefusedCellError("a number within ±3.4e38 is expected", "a larger one")
    return cells


def _texts(cells: Cells) -> Cells:
    """Strings; '' for null and for a marker of a missing value."""
    return list(map(_text, cells))


def _flags(cells: Cells) -> Cells:
    """1 for true, 0 for false, NaN for a missing value."""
    return list(map(_flag, cells))


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
    raise RefusedCellError("text or null is expected")


def _flag(cell: object) -> float:
    if isinstance(cell, bool):
        return float(cell)
    if cell is None:
        return np.nan
    if isinstance(cell, str):
        text = cell.strip()
        if text in MISSING:
            return np.nan
        if (word := text.lower()) in TRUE or word in FALSE:
            return float(word in TRUE)
        raise RefusedCellError("true, false or null is expected", "another text")
    raise RefusedCellError("true, false or null is expected")


def _moments(*, day_first: bool) -> Callable[[Cells], Cells]:
    """Seconds since 1970 UTC of dates as text, and of numbers, which are seconds already; NaN for a missing value."""

    def read(cells: Cells) -> Cells:
        return [_moment(cell, day_first=day_first) for cell in cells]

    return read


def _moment(cell: object, *, day_first: bool) -> float:
    if cell is None:
        return np.nan
    if isinstance(cell, str):
        text = cell.strip()
        if text in MISSING:
            return np.nan
        if (seconds := seconds_of(text, day_first=day_first)) is None:
            raise RefusedCellError(_MOMENT, "another text")
        return seconds
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise RefusedCellError(_MOMENT)
    if not EARLIEST <= cell <= LATEST:
        raise RefusedCellError(_MOMENT, "a number beyond the years 1 to 9999")
    return cell


_MOMENT = "a date such as 2024-01-31T10:30:00Z, seconds since 1970 or null is expected"
_STRINGS = Kind(read=_texts, dtype=object)
_KIND_OF: Mapping[ColumnKind, Kind] = {
    "numeric": Kind(read=_numbers, dtype=np.float32),
    "categorical": _STRINGS,
    "text": _STRINGS,
    "boolean": Kind(read=_flags, dtype=np.float32),
    "datetime": Kind(read=_moments(day_first=False), dtype=np.float64),
}
_DAY_FIRST = Kind(read=_moments(day_first=True), dtype=np.float64)


def kind_of(column: Column) -> Kind:
    """How the cells of ``column`` are read; columns of one Kind are read together."""
    if column.kind == "image":
        from pipeline.serving.image_cells import images_of  # noqa: PLC0415 - a table pays nothing for it

        return Kind(read=images_of(column.shape), dtype=np.uint8, shape=column.shape)
    return _DAY_FIRST if column.day_first else _KIND_OF[column.kind]
