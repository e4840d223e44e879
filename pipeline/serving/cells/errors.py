"""What is wrong with a cell, told without its value."""

from __future__ import annotations

from types import NoneType

__all__ = ["RefusedCellError", "json_kind"]

_JSON_KINDS = {
    str: "text", bool: "a boolean", int: "a number", float: "a number",
    list: "an array", dict: "an object", NoneType: "null",
}  # fmt: skip


class RefusedCellError(ValueError):
    """A cell is not of its column's kind; ``found`` says what it is where its JSON type does not."""

    def __init__(self, expected: str, found: str | None = None) -> None:
        super().__init__(expected)
        self.found = found


def json_kind(value: object) -> str:
    """Name the JSON type of a value, without the value."""
    return _JSON_KINDS[type(value)]
