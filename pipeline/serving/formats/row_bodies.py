"""Read JSON bodies that differ only in their elements from a body that was parsed before.

A client writes the names, shapes and datatypes of its columns in the same way in each request. The bytes around the
elements are therefore equal, and need neither parsing nor checks.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

__all__ = ["RowBody"]

_DATA = rb'"data"\s*:\s*\['


class RowBody:
    """Reads the elements of bodies that otherwise equal ``body``, whose tensors have one element each.

    A body whose elements contain ``]`` does not match. Elements are joined by a comma and a line feed before parsing;
    no JSON text contains a raw line feed, so the joined array has ``count`` elements only if each tensor has one.

    Args:
        body: A body that was parsed before.
        count: Number of its tensors.

    Raises:
        ValueError: The number of ``"data": [`` in the body, each written in the same way, is not ``count``.
    """

    def __init__(self, body: bytes, count: int) -> None:
        data = re.search(_DATA, body)
        if data is None or body.count(data[0]) != count:
            raise ValueError("a body with one array after each 'data' is expected")
        self._data = data[0]
        self._count = count
        self._start, *pieces = body.split(self._data)
        self._ends = tuple([piece.partition(b"]")[2] for piece in pieces])

    def with_numbers(self) -> bytes:
        """Return the body with the position of each tensor as its element."""
        pieces = [b"%b%d]%b" % (self._data, number, end) for number, end in enumerate(self._ends)]
        return b"".join((self._start, *pieces))

    def __call__(self, body: bytes) -> list[Any] | None:
        """Return the element of each tensor; None if the body differs in other bytes, or is not JSON."""
        if not body.startswith(self._start):
            return None
        start, *pieces = body.split(self._data)
        if start != self._start or len(pieces) != self._count:
            return None
        elements, _, ends = zip(*[piece.partition(b"]") for piece in pieces])  # noqa: B905 - always tuples of three
        if ends != self._ends:
            return None
        try:
            cells: list[Any] = orjson.loads(b"[%b]" % b",\n".join(elements))
        except orjson.JSONDecodeError:
            return None
        return cells if len(cells) == self._count else None
