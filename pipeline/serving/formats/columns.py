"""Decode columns: one array per column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Cells, Feeds, RequestDecoder

__all__ = ["check_lengths", "decode_columns"]


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
    for spelling, values in columns.items():
        if type(values) is not list:
            where = f"{field}, column '{display_name(spelling)}'"
            raise InvalidRequestError(f"{where}: an array is expected, not {json_type(values)}")
    cells: dict[str, list[Any]] = decoder.names.rename(columns, field, ignore_extra=ignore_extra)
    rows = check_lengths(cells, field)
    decoder.check_count(rows, field)
    for name in decoder.by_name.keys() - cells.keys():
        cells[name] = [None] * rows

    def describe_cell(row: int, column: str) -> str:
        return f"{field}, column '{display_name(column)}', row {row}"

    if rows == 1:
        return decoder.feeds([{name: values[0] for name, values in cells.items()}], describe_cell)
    return decoder.column_feeds(cells, describe_cell)


def check_lengths(columns: Mapping[str, Cells], where: str) -> int:
    """Return the number of rows of columns; 0 if there are no columns.

    Args:
        columns: Cells by column.
        where: Location of the columns, for messages.

    Raises:
        InvalidRequestError: The columns have different numbers of cells.
    """
    first = next(iter(columns), "")
    rows = len(columns.get(first, ()))
    for name, cells in columns.items():
        if len(cells) != rows:
            raise InvalidRequestError(
                f"{where}: '{display_name(name)}' has {len(cells)} elements and '{display_name(first)}' has {rows}, "
                "one per row is expected"
            )
    return rows
