"""Cells of boolean columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.parsing.missing import FALSE, TRUE
from pipeline.parsing.text import strip_text
from pipeline.serving.cells.errors import RefusedCellError
from pipeline.serving.cells.markers import MissingMarkers

__all__ = ["BooleanReader"]

_EXPECTED = "true, false, 1, 0 or null is expected"
# As text a whole number may have a fraction: columns with missing values are written so.
_WORDS = {**dict.fromkeys((*TRUE, "1", "1.0"), 1.0), **dict.fromkeys((*FALSE, "0", "0.0"), 0.0)}
_MAX_LETTERS = max(map(len, _WORDS))  # a longer text is not made lower case


class BooleanReader:
    """Read truth values as 1 and 0; NaN for a missing value."""

    def __init__(self, missing: MissingMarkers) -> None:
        self._missing = missing

    def __call__(self, cells: Sequence[Any]) -> Sequence[Any]:
        """Raise RefusedCellError for what is no truth value."""
        return [_flag(cell, self._missing) for cell in cells]


def _flag(cell: object, missing: MissingMarkers) -> float:
    if isinstance(cell, bool):
        return float(cell)
    if cell is None:
        return np.nan
    if isinstance(cell, str):
        return _flag_of_text(strip_text(cell), missing)
    if not isinstance(cell, int | float):
        raise RefusedCellError(_EXPECTED)
    if cell in missing.numbers:
        return np.nan
    if cell not in (0, 1):
        raise RefusedCellError(_EXPECTED, "another number")
    return float(cell)


def _flag_of_text(text: str, missing: MissingMarkers) -> float:
    if text in missing.texts:
        return np.nan
    truth = _WORDS.get(text.lower()) if len(text) <= _MAX_LETTERS else None
    if truth is None:
        raise RefusedCellError(_EXPECTED, "other text")
    return truth
