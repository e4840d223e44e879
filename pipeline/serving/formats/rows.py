"""Decode rows: one object per row."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder

__all__ = ["decode_rows"]


def decode_rows(rows: Any, decoder: RequestDecoder, *, field: str = "rows", ignore_extra: bool = False) -> Feeds:
    """Decode rows into the feeds of a session.

    Args:
        rows: Cells by column, for each row.
        decoder: Decoder of the model.
        field: What the request calls the rows, for messages.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: A row is not an object, lacks a column or has an unknown one, or a cell is invalid.
    """
    if type(rows) is not list:
        raise InvalidRequestError(f"{field}: an array of objects is expected, not {json_type(rows)}")
    decoder.check_count(len(rows), field)

    def where(row: int, column: str) -> str:
        return f"{field}[{row}], column '{display_name(column)}'"

    for number, row in enumerate(rows):
        if type(row) is not dict:
            raise InvalidRequestError(f"{field}[{number}]: an object is expected, not {json_type(row)}")
    if set(map(len, rows)) == {decoder.width}:
        try:
            return decoder.feeds(rows, where)
        except KeyError:
            pass  # a column is absent, or has another spelling
    absent = dict.fromkeys(decoder.names.all)
    renamed = [
        absent | decoder.names.rename(row, f"{field}[{number}]", ignore_extra=ignore_extra)
        for number, row in enumerate(rows)
    ]
    return decoder.feeds(renamed, where)
