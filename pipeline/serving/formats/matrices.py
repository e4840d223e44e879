"""Split one matrix of numbers into a model's columns."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.request_decoder import Cells

__all__ = ["split_matrix"]


def split_matrix(data: Cells, shape: Any, width: int, where: str) -> list[Cells]:
    """Split a matrix into columns.

    Args:
        data: Elements, flat in row-major order or nested by row.
        shape: Shape of the matrix, as the request has it: [rows, columns].
        width: Expected number of columns.
        where: Location of the matrix, for messages.

    Raises:
        InvalidRequestError: The matrix does not have ``width`` columns, or a row has another length.
    """
    if not (type(shape) is list and [type(axis) for axis in shape] == [int, int] and shape[1] == width):
        raise InvalidRequestError(f"{where}: the shape [n, {width}] is expected, one element per column of the model")
    if type(data) is list and any(type(row) is list for row in data):
        for number, row in enumerate(data):
            if type(row) is not list or len(row) != width:
                raise InvalidRequestError(f"{where}, row {number}: an array of {width} elements is expected")
        data = [element for row in data for element in row]
    if len(data) != shape[0] * width:
        raise InvalidRequestError(f"{where}: its shape has {shape[0] * width} elements, its data {len(data)}")
    return [data[column::width] for column in range(width)]
