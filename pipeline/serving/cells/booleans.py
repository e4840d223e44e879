"""Cells of boolean columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.parsing.missing import FALSE, TRUE
from pipeline.parsing.text import strip_text
from pipeline.serving.cells.errors import InvalidCellError
from pipeline.serving.cells.markers import MissingMarkers

__all__ = ["read_booleans"]

_EXPECTED = "true, false, 1, 0 or null is expected"
# Texts may have a fraction, because many tools write the integers of a column with missing values as 1.0.
_WORDS = {**dict.fromkeys((*TRUE, "1", "1.0"), 1.0), **dict.fromkeys((*FALSE, "0", "0.0"), 0.0)}
_MAX_LETTERS = max(map(len, _WORDS))  # a longer text matches no word, so it is not converted to lower case


def read_booleans(cells: Sequence[Any], missing: MissingMarkers) -> Sequence[Any]:
    """Read truth values as 1 and 0, missing values as NaN.

    Raises:
        InvalidCellError: A cell is not a truth value.
    """
    return [_to_float(cell, missing) for cell in cells]


def _to_float(cell: object, missing: MissingMarkers) -> float:
    if isinstance(cell, bool):
        return float(cell)
    if cell is None:
        return np.nan
    if isinstance(cell, str):
        return _parse_text(strip_text(cell), missing)
    if not isinstance(cell, int | float):
        raise InvalidCellError(_EXPECTED)
    if cell in missing.numbers:
        return np.nan
    if cell not in (0, 1):
        raise InvalidCellError(_EXPECTED, "another number")
    return float(cell)


def _parse_text(text: str, missing: MissingMarkers) -> float:
    if text in missing.texts:
        return np.nan
    truth = _WORDS.get(text.lower()) if len(text) <= _MAX_LETTERS else None
    if truth is None:
        raise InvalidCellError(_EXPECTED, "other text")
    return truth
