"""Decode requests of the form ``{"rows": [{column: value}]}``."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder

__all__ = ["decode_rows"]


def decode_rows(rows: Any, columns: RequestDecoder, *, ignore_extra: bool = False) -> Feeds:
    """Decode rows into the feeds of a session.

    Args:
        rows: ``rows`` of the request.
        columns: Decoder of the model.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        InvalidRequestError: A row is not an object, lacks a column or has an unknown one, or a cell is invalid.
    """
    if type(rows) is not list:
        raise InvalidRequestError(f"rows: an array of objects is expected, not {json_type(rows)}")
    columns.check_count(len(rows), "rows")
    fits = True
    for number, row in enumerate(rows):
        if type(row) is not dict:
            raise InvalidRequestError(f"rows[{number}]: an object is expected, not {json_type(row)}")
        if len(row) != columns.width:
            fits = False
    if fits:
        try:
            return columns.feeds(rows, _where)
        except KeyError:
            pass  # a column is absent, or has another spelling
    renamed = [
        columns.names.rename(row, f"rows[{number}]", ignore_extra=ignore_extra) for number, row in enumerate(rows)
    ]
    return columns.feeds(renamed, _where)


def _where(row: int, column: str) -> str:
    return f"rows[{row}], column '{display_name(column)}'"
