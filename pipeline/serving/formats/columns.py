"""Decode columns: one array per column."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder

__all__ = ["decode_columns"]


def decode_columns(columns: Any, decoder: RequestDecoder, *, field: str, ignore_extra: bool = False) -> Feeds:
    """Decode columns into the feeds of a session.

    Args:
        columns: Cells by column.
        decoder: Decoder of the model.
        field: What the request calls the columns, for messages.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: A column is not an array, is missing, unknown, repeated or of another length, or a cell is
            invalid.
    """
    if type(columns) is not dict:
        raise InvalidRequestError(f"{field}: an object with one array per column is expected, not {json_type(columns)}")
    cells = _find_columns(columns, decoder, field, ignore_extra)
    rows = len(next(iter(cells.values()), ()))
    for name, values in cells.items():
        if len(values) != rows:
            raise InvalidRequestError(
                f"{field}: '{display_name(name)}' has {len(values)} elements and '{display_name(next(iter(cells)))}' "
                f"has {rows}, one per row is expected"
            )
    decoder.check_count(rows, field)
    for name in decoder.by_name.keys() - cells.keys():
        cells[name] = [None] * rows

    def where(row: int, column: str) -> str:
        return f"{field}, column '{display_name(column)}', row {row}"

    if rows == 1:
        return decoder.feeds([{name: values[0] for name, values in cells.items()}], where)
    return decoder.column_feeds(cells, where)


def _find_columns(
    columns: dict[str, Any], decoder: RequestDecoder, field: str, ignore_extra: bool
) -> dict[str, list[Any]]:
    cells: dict[str, list[Any]] = {}
    unknown = []
    for spelling, values in columns.items():
        if type(values) is not list:
            raise InvalidRequestError(
                f"{field}, column '{display_name(spelling)}': an array is expected, not {json_type(values)}"
            )
        name = decoder.names.find(spelling)
        if name is None:
            if not (ignore_extra or decoder.names.is_unread(spelling)):
                unknown.append(spelling)
        elif name in cells:
            raise InvalidRequestError(f"{field} has '{display_name(name)}' twice, in two spellings: one is expected")
        else:
            cells[name] = values
    decoder.names.check(cells, field, unknown)
    return cells
