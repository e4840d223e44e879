"""Error of an invalid cell. Its message never contains the value."""

from __future__ import annotations

from types import NoneType

__all__ = ["InvalidCellError", "json_type"]

_JSON_KINDS = {
    str: "text", bool: "a boolean", int: "a number", float: "a number",
    list: "an array", dict: "an object", NoneType: "null",
}  # fmt: skip


class InvalidCellError(ValueError):
    """A cell is not valid in its column.

    Args:
        expected: Sentence that says what is expected.
        actual: Description of the cell; None if the name of its JSON type suffices.
    """

    def __init__(self, expected: str, actual: str | None = None) -> None:
        super().__init__(expected)
        self.actual = actual


def json_type(value: object) -> str:
    """Return the name of a value's JSON type."""
    return _JSON_KINDS[type(value)]
