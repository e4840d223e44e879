"""Cells of categorical and text columns."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import Any

from pipeline.parsing.text import clean_text
from pipeline.serving.cells.errors import InvalidCellError

__all__ = ["read_codes", "read_texts"]

# Up to this bound a double represents every integer. JSON numbers with a fraction or over 64 bits become doubles.
_MAX_EXACT_INTEGER = 2**53
_TRUTH_WORDS = frozenset({"True", "TRUE", "False", "FALSE"})
_INTEGER = re.compile(r"([+-]?[0-9]+)\.0*")


def read_texts(cells: Sequence[Any], missing: Set[str]) -> Sequence[str]:
    """Read cells as stripped text in Unicode's NFC form; missing values as ''.

    Args:
        cells: The cells.
        missing: Markers of missing values.

    Raises:
        InvalidCellError: A cell is an array, an object, or a double whose digits are not exact (beyond 2^53).
    """
    try:
        joined = "".join(cells)  # the fastest check that all cells are text, and whether they are ASCII
    except TypeError:
        cells = [cell if type(cell) is str else _to_text(cell) for cell in cells]
        joined = "".join(cells)
    texts = list(map(str.strip if joined.isascii() else clean_text, cells))
    if missing.isdisjoint(texts):
        return texts
    return ["" if text in missing else text for text in texts]


def read_codes(cells: Sequence[Any], missing: Set[str]) -> Sequence[str]:
    """Read categories that are numbers or booleans in some files: 7, 7.0 and "7.0" are "7", true and "True" are "true".

    Arguments and errors are those of ``read_texts``.
    """
    return list(map(_normalize_code, read_texts(cells, missing)))


def _to_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        return _format_double(cell)
    raise InvalidCellError("text or null is expected")


def _format_double(cell: float) -> str:
    if not -_MAX_EXACT_INTEGER < cell < _MAX_EXACT_INTEGER:
        raise InvalidCellError("text is expected for a number beyond 2^53 that is not a 64-bit integer")
    return str(int(cell)) if cell.is_integer() else str(cell)  # clients with missing values write the code 1 as 1.0


def _normalize_code(text: str) -> str:
    match = _INTEGER.fullmatch(text)
    if match:
        return match[1]
    return text.lower() if text in _TRUTH_WORDS else text
