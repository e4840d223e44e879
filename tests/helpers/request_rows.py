"""Decode rows of a request for a model with the given columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.request_decoder import RequestDecoder

__all__ = ["AGE", "CAFE", "VIP", "columns_of", "feed", "refused", "refused_rows"]

AGE = Column(name="age", kind="numeric", aliases=(" age", "age\u00a0 "))
CAFE = Column(name="café", kind="categorical")
VIP = Column(name="vip", kind="boolean", is_optional=True)


def columns_of(*columns: Column, missing: tuple[str, ...] | None = None) -> RequestDecoder:
    return RequestDecoder(Signature(task="regression", target="price", columns=columns, missing=missing), 100)


def feed(column: Column, *cells: Any, missing: tuple[str, ...] | None = None) -> list[Any]:
    """Return the decoded values of one column; check that rows alone and together are decoded to the same."""
    columns = columns_of(column, missing=missing)
    together = decode_rows([{column.name: cell} for cell in cells], columns)[column.name]
    alone = [decode_rows([{column.name: cell}], columns)[column.name][0] for cell in cells]
    np.testing.assert_array_equal(together, np.array(alone, together.dtype))
    return together.tolist()


def refused(column: Column, *cells: Any, missing: tuple[str, ...] | None = None) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        decode_rows([{column.name: cell} for cell in cells], columns_of(column, missing=missing))
    return raised.value.message


def refused_rows(rows: Any, *columns: Column) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        decode_rows(rows, columns_of(*columns))
    return raised.value.message
