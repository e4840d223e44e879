"""Decode requests of the Open Inference Protocol v2.

A request has one tensor per column, flat or nested in row-major order; or one matrix, if all columns are numeric.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import itemgetter
from typing import Any

import numpy as np

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column
from pipeline.serving.cells.errors import json_type
from pipeline.serving.cells.images import split_image_batch
from pipeline.serving.datatypes import CODES, ELEMENTS, NUMBERS, RANGES, JsonTypes
from pipeline.serving.formats.binary_tensors import attach_binary_data
from pipeline.serving.formats.columns import check_lengths
from pipeline.serving.formats.matrices import split_matrix
from pipeline.serving.formats.tensor_forms import TensorForms, describe_element
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Cells, Feeds, RequestDecoder

__all__ = ["TensorDecoder"]

_FIELDS = ("name", "shape", "datatype", "data")
_get_fields = itemgetter(*_FIELDS)
_MIN_ARRAY = 32  # elements; shorter tensors are read faster as a list
_MAX_ROWS_AS_LISTS = 8  # rows; more rows are decoded faster by numpy than in a loop


class TensorDecoder:
    """Decodes the tensors of one model's requests; built once.

    Attributes:
        make_request_reader: ``TensorForms.make_request_reader``.
        make_body_reader: ``TensorForms.make_body_reader``.
    """

    def __init__(self, decoder: RequestDecoder) -> None:
        self._decoder = decoder
        self._elements = {name: _elements(column) for name, column in decoder.by_name.items()}
        self._numeric = {name for name, elements in self._elements.items() if elements is ELEMENTS["numeric"]}
        self._images = {name: column.shape for name, column in decoder.by_name.items() if column.kind == "image"}
        self._forms = TensorForms(decoder, self._elements)
        self.make_request_reader = self._forms.make_request_reader
        self.make_body_reader = self._forms.make_body_reader

    def __call__(self, inputs: Any, binary_data: bytes | None = None, *, ignore_extra: bool = False) -> Feeds:
        """Decode tensors into the feeds of a session.

        Args:
            inputs: ``inputs`` of the request; the data of a tensor is an array of one axis, or a list.
            binary_data: Data of the tensors whose parameter ``binary_data_size`` announces it.
            ignore_extra: Ignore columns that the model does not read.

        Raises:
            InvalidRequestError: A tensor belongs to no column, is repeated, or has a wrong shape or datatype.
            TooManyRowsError: There are more rows than a response can have.
        """
        if type(inputs) is not list:
            raise InvalidRequestError(f"inputs: an array of tensors is expected, not {json_type(inputs)}")
        if not inputs:
            raise InvalidRequestError("inputs: one tensor per column is expected, the array is empty")
        if binary_data is not None:
            table = self._forms.read_table(inputs, binary_data)
            if table is not None:
                return table
            attach_binary_data(inputs, binary_data)
        row = self._forms.read_row(inputs)
        if row is not None:
            return row
        tensors = self._read_matrix(inputs[0]) if len(inputs) == 1 and self._decoder.takes_matrix else None
        if tensors is None:
            tensors = self._read_columns(inputs, ignore_extra)
        else:
            self._count_rows(tensors)
        return self._feeds(tensors)

    def _read_columns(self, inputs: list[Any], ignore_extra: bool) -> dict[str, Cells]:
        tensors: dict[str, Cells] = {}
        for number, tensor in enumerate(inputs):
            name, data = self._read(tensor, number)
            if name in tensors:
                raise InvalidRequestError(f"inputs[{number}]: '{display_name(name)}' is repeated, one is expected")
            tensors[name] = data
        absent = self._check_names(tensors, ignore_extra) if tensors.keys() != self._elements.keys() else ()
        rows = self._count_rows(tensors)
        for name in absent:
            tensors[name] = [None] * rows
        return tensors

    def _feeds(self, tensors: dict[str, Cells]) -> Feeds:
        rows = len(next(iter(tensors.values())))
        if rows > _MAX_ROWS_AS_LISTS or any(isinstance(data, np.ndarray) for data in tensors.values()):
            return self._decoder.column_feeds(tensors, describe_element)
        cells = [dict(zip(tensors, row)) for row in zip(*tensors.values())]  # noqa: B905 - the lengths are checked
        return self._decoder.feeds(cells, describe_element)

    def _read_matrix(self, tensor: Any) -> dict[str, Cells] | None:
        """Return the columns of a matrix; None if the tensor has a column's name, or is not a matrix."""
        try:
            name, shape, datatype, data = _get_fields(tensor)
        except (KeyError, TypeError):
            return None
        if type(name) is not str or self._decoder.names.find(name) or type(shape) is not list or len(shape) != 2:
            return None
        where = f"input '{display_name(name)}'"
        elements = NUMBERS.get(datatype) if type(datatype) is str else None
        if elements is None:
            raise InvalidRequestError(f"{where}, datatype: one of {', '.join(NUMBERS)} is expected")
        if not isinstance(data, list | np.ndarray):
            raise InvalidRequestError(f"{where}, data: an array is expected, not {json_type(data)}")
        columns = split_matrix(data, shape, self._decoder.width, where)
        return {
            column: self._check_elements(column, datatype, elements, cells, _types_of(cells))
            for column, cells in zip(self._elements, columns, strict=True)
        }

    def _read(self, tensor: Any, number: int) -> tuple[str, Cells]:
        """Return the name of a tensor's column, and one value per row."""
        try:
            name, shape, datatype, data = _get_fields(tensor)
            elements = self._elements[name][datatype]
        except (KeyError, TypeError):
            return self._read_irregular(tensor, number)
        if not isinstance(data, list | np.ndarray):
            raise InvalidRequestError(
                f"input '{display_name(name)}', data: an array is expected, not {json_type(data)}"
            )
        if name in self._images:
            return name, split_image_batch(data, shape, self._images[name], f"input '{display_name(name)}'")
        if name in self._numeric and isinstance(data, list) and len(data) >= _MIN_ARRAY and datatype not in RANGES:
            numbers = self._decoder.pack_numbers(name, data) if shape in ([len(data)], [len(data), 1]) else None
            if numbers is not None:
                return name, numbers
        types = _types_of(data)
        if isinstance(data, list) and list in types:
            data = _flatten(data, name)
            types = _types_of(data)
        if shape not in ([len(data)], [len(data), 1]):
            count = len(data)
            raise InvalidRequestError(
                f"input '{display_name(name)}': the shape [{count}] or [{count}, 1] is expected, "
                f"its data has {count} elements"
            )
        return name, self._check_elements(name, datatype, elements, data, types)

    def _check_elements(
        self, name: str, datatype: str, elements: JsonTypes, data: Cells, types: Collection[type]
    ) -> Cells:
        """Check the JSON types and the range of a tensor's elements, and return them.

        Args:
            name: Name of the column.
            datatype: Datatype of the tensor.
            elements: JSON types that the elements may have.
            data: Elements of the tensor.
            types: JSON types that the elements have; unused for an array.

        Raises:
            InvalidRequestError: An element has another type, or is out of the range of the datatype.
        """
        if isinstance(data, np.ndarray):
            return data
        if not elements.issuperset(types):
            wrong = next(index for index, element in enumerate(data) if type(element) not in elements)
            raise InvalidRequestError(
                f"{describe_element(wrong, name)}: {datatype} or null is expected, this is {json_type(data[wrong])}"
            )
        if datatype in RANGES:
            low, high = RANGES[datatype]
            present = [element for element in data if element is not None]
            if present and (min(present) < low or max(present) > high):
                wrong = next(i for i, element in enumerate(data) if element is not None and not low <= element <= high)
                raise InvalidRequestError(
                    f"{describe_element(wrong, name)}: {datatype} is from {low} to {high}, this is another number"
                )
        return data

    def _check_names(self, tensors: dict[str, Cells], ignore_extra: bool) -> Collection[str]:
        """Return the absent optional columns, and remove extra tensors.

        Raises:
            InvalidRequestError: A required column is absent, or a tensor is unknown.
        """
        extra = [name for name in tensors if name not in self._elements]
        unknown = [name for name in extra if not (ignore_extra or self._decoder.names.is_unread(name))]
        self._decoder.names.check(tensors, "inputs", unknown)
        for name in extra:
            del tensors[name]
        return self._elements.keys() - tensors.keys()

    def _count_rows(self, tensors: Mapping[str, Cells]) -> int:
        self._decoder.check_count(len(next(iter(tensors.values()))), "inputs")
        return check_lengths(tensors, "inputs")

    def _read_irregular(self, tensor: Any, number: int) -> tuple[str, Cells]:
        """Read a tensor whose name has another spelling, or raise an error that says what is wrong with the tensor.

        A tensor that belongs to no column is returned under its own name, so that one error reports all such tensors.
        """
        where = f"inputs[{number}]"
        if type(tensor) is not dict:
            raise InvalidRequestError(f"{where}: an object is expected, not {json_type(tensor)}")
        if absent := [field for field in _FIELDS if field not in tensor]:
            raise InvalidRequestError(f"{where} lacks {', '.join(absent)}: a tensor has {', '.join(_FIELDS)}")
        spelling: Any = tensor["name"]
        if type(spelling) is not str:
            raise InvalidRequestError(f"{where}, name: text is expected, not {json_type(spelling)}")
        name = self._decoder.names.find(spelling)
        if name is None:
            return spelling, []
        if name != spelling:
            return self._read(tensor | {"name": name}, number)
        datatypes = ", ".join(self._elements[name])
        raise InvalidRequestError(f"input '{display_name(name)}', datatype: one of {datatypes} is expected")


def _elements(column: Column) -> Mapping[str, JsonTypes]:
    return CODES if column.is_code else ELEMENTS[column.kind]


def _types_of(data: Cells) -> set[type]:
    """Return the types of a list's elements; empty for an array."""
    return set(map(type, data)) if isinstance(data, list) else set()


def _flatten(data: list[Any], name: str) -> list[Any]:
    for number, row in enumerate(data):
        if type(row) is not list or len(row) != 1:
            raise InvalidRequestError(
                f"input '{display_name(name)}', data[{number}]: an array of one element is expected, as others are"
            )
    return [row[0] for row in data]
