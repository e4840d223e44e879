"""Cells of a request as what a model takes. All at once: which cell is wrong is only asked when one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

from pipeline.contracts.missing import FALSE, MISSING, TRUE
from pipeline.contracts.signature import ColumnKind

__all__ = ["KINDS", "Kind", "RefusedCellError", "json_kind"]

Cells = Sequence[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """``read`` makes elements of a ``dtype`` array of cells; it raises RefusedCellError when one is of another kind."""

    read: Callable[[Cells], Cells]
    dtype: type


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


KINDS: Mapping[ColumnKind, Kind] = {
    "numeric": Kind(read=_numbers, dtype=np.float32),
    "categorical": Kind(read=_texts, dtype=object),
    "boolean": Kind(read=_flags, dtype=np.float32),
}
