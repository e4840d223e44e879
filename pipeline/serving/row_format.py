"""``{"rows": [{column: value}]}``, read."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_kind
from pipeline.serving.names import shown
from pipeline.serving.request_decoder import Columns, Feeds

__all__ = ["decode_rows"]


def decode_rows(rows: Any, columns: Columns, *, ignore_extra: bool = False) -> Feeds:
    """Raise InvalidRequestError where a row is no object, lacks a column, has another, or a cell is of a wrong kind."""
    if type(rows) is not list:
        raise InvalidRequestError(f"rows: an array of objects is expected, not {json_kind(rows)}")
    columns.check_count(len(rows), "rows")
    fits = True
    for number, row in enumerate(rows):
        if type(row) is not dict:
            raise InvalidRequestError(f"rows[{number}]: an object is expected, not {json_kind(row)}")
        if len(row) != columns.width:
            fits = False
    if fits:
        try:
            return columns.feeds(rows, _where)
        except KeyError:
            pass  # a column is absent, or spelled otherwise
    renamed = [
        columns.names.rename(row, f"rows[{number}]", ignore_extra=ignore_extra) for number, row in enumerate(rows)
    ]
    return columns.feeds(renamed, _where)


def _where(row: int, column: str) -> str:
    return f"rows[{row}], column '{shown(column)}'"
