"""Fast paths for the most frequent requests with tensors: one row, and a table of numbers.

Clients send the same names and datatypes in each request, so what follows from them is computed once per model.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import contains, itemgetter
from typing import Any, NamedTuple

import numpy as np
import orjson

from pipeline.serving.datatypes import RANGES, TABLE_DATATYPES, JsonTypes
from pipeline.serving.formats.binary_tensors import BINARY_DATATYPES, ELEMENTS
from pipeline.serving.formats.row_bodies import RowBody
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder

__all__ = ["ReadBody", "ReadKnown", "TensorForms", "describe_element"]

ReadKnown = Callable[[bytes, bytes], Feeds | None]  # (header, binary data) -> feeds; None for another request
ReadBody = Callable[[bytes], Feeds | None]  # JSON body -> feeds; None for another request
_get_fields = itemgetter("name", "shape", "datatype", "data")
_ONE_ROW = ([1], [1, 1])
_LIST: JsonTypes = frozenset({list})
_BINARY_FIELDS = ("name", "shape", "datatype", "parameters")
_get_binary_fields, _get_size = itemgetter(*_BINARY_FIELDS), itemgetter("binary_data_size")
_get_form = itemgetter("name", "datatype")
_SIZE = re.compile(rb'"binary_data_size"\s*:\s*([0-9]+)')  # cannot match inside a text, whose quotes are escaped
_read_length = struct.Struct("<I").unpack_from  # length in bytes before each element of a BYTES tensor
_MAX_FORMS, _MAX_KNOWN = 8, 16  # remembered forms per model, and element types per form


class _Table(NamedTuple):
    """Binary tensors that are the columns of one table of numbers.

    Attributes:
        names: Columns, in the order of their data.
        rows: Number of rows.
        source: Dtype of the data.
        size: Size of the data in bytes.
    """

    names: tuple[str, ...]
    rows: int
    source: np.dtype[Any]
    size: int


class _RowForm(NamedTuple):
    """How to read one row of tensors with certain names and datatypes, in a certain order.

    Attributes:
        types: JSON types that each element may have.
        known_types: Element types of valid rows; a row with the same types is not checked element by element.
        ranges: Bounds of integers: position of the tensor, lowest, highest.
        read: Reads the elements.
        source: Dtype of the binary data if all tensors have the same numeric datatype; otherwise None.
    """

    types: Sequence[JsonTypes]
    known_types: set[tuple[type, ...]]
    ranges: Sequence[tuple[int, float, float]]
    read: Callable[[Sequence[Any]], Feeds]
    source: np.dtype[Any] | None


class _BinaryRow:
    """Reads requests with one row of binary tensors whose headers differ only in the sizes of texts.

    The sizes are read from the data, in which the length precedes each text. If the header with these sizes equals the
    header of the request, that header needs neither parsing nor checks.

    Args:
        header: A header that was read before.
        datatypes: Datatypes of its tensors.
        form: How to read the elements.

    Raises:
        KeyError: ``struct`` has no code for a datatype.
        ValueError: The number of sizes in the header is not the number of tensors.
    """

    def __init__(self, header: bytes, datatypes: Sequence[str], form: _RowForm) -> None:
        sizes = list(_SIZE.finditer(header))
        runs = [(is_text, list(run)) for is_text, run in groupby(datatypes, "BYTES".__eq__)]
        codes = [(is_text, len(run), "" if is_text else "".join(map(_code_of, run))) for is_text, run in runs]
        self._runs = [(struct.Struct("<" + code), count if is_text else 0) for is_text, count, code in codes]
        pieces, start = [], 0
        for match, datatype in zip(sizes, datatypes, strict=True):
            if datatype == "BYTES":
                pieces.append(header[start : match.start(1)])
                start = match.end(1)
        self._prefix = pieces[0] if pieces else header
        self._template = b"%d".join(piece.replace(b"%", b"%%") for piece in (*pieces, header[start:]))
        self._read = form.read

    def __call__(self, header: bytes, data: bytes) -> Feeds | None:
        """Return the feeds; None if the header differs, the sizes do not match the data, or a number is infinite.

        Raises:
            InvalidRequestError: A cell is not valid in its column.
        """
        if not header.startswith(self._prefix):
            return None
        cells: list[Any] = []
        sizes: list[int] = []
        offset = 0
        try:
            for numbers, texts in self._runs:
                if not texts:
                    run = numbers.unpack_from(data, offset)
                    cells += run if math.isfinite(sum(run)) else _mark_missing(run)
                    offset += numbers.size
                for _ in range(texts):
                    (length,) = _read_length(data, offset)
                    end = offset + 4 + length
                    cells.append(data[offset + 4 : end].decode())
                    sizes.append(end - offset)
                    offset = end
        except (struct.error, ValueError):
            return None
        if offset != len(data) or self._template % (*sizes,) != header:
            return None
        return self._read(cells)


class TensorForms:
    """Reads requests of one model that are one row of tensors or a table of numbers; returns None for other requests.

    Args:
        decoder: Decoder of the model.
        elements: JSON types that a tensor's elements may have, by column and datatype.
    """

    def __init__(self, decoder: RequestDecoder, elements: Mapping[str, Mapping[str, JsonTypes]]) -> None:
        self._decoder = decoder
        self._elements = elements
        self._number_dtype = decoder.number_dtype
        self._forms: dict[tuple[Any, Any], _RowForm] = {}

    def read_table(self, inputs: Any, data: bytes) -> Feeds | None:
        """Return the feeds of binary tensors that form a valid table of numbers; None for other tensors.

        Args:
            inputs: ``inputs`` of the request.
            data: Binary data of the request.

        Raises:
            TooManyRowsError: There are more rows than a response can have.
            InvalidRequestError: There are no rows.
        """
        table = self._find_table(inputs)
        return None if table is None else self._view_table(table, data)

    def make_request_reader(self, header: bytes, inputs: Any) -> ReadKnown | None:
        """Return a function that reads further requests with a similar header; None if there is no fast path for it.

        Args:
            header: JSON header of a request that was read.
            inputs: ``inputs`` of the header.
        """
        table = self._find_table(inputs)
        if table is not None:
            return lambda sent, data: self._view_table(table, data) if sent == header else None
        try:
            names, datatypes = zip(*map(_get_form, inputs), strict=True)
            if not all(tensor["shape"] in _ONE_ROW and _get_size(tensor["parameters"]) for tensor in inputs):
                return None
            return _BinaryRow(header, datatypes, self._find_form(names, datatypes))
        except (KeyError, TypeError, ValueError):
            return None

    def make_body_reader(self, body: bytes, inputs: Any) -> ReadBody | None:
        """Return a function that reads JSON bodies that differ only in elements; None if this body is not one row.

        Args:
            body: JSON of a request that was read.
            inputs: ``inputs`` of the body.
        """
        row = self._find_row(inputs)
        if row is None:
            return None
        form, cells = row
        try:
            read_cells = RowBody(body, len(cells))
        except ValueError:
            return None

        def read(sent: bytes) -> Feeds | None:
            cells = read_cells(sent)
            return None if cells is None else self._read_cells(form, cells)

        return read if read_cells(body) == cells and _reads_data(read_cells, len(cells)) else None

    def read_row(self, inputs: list[Any]) -> Feeds | None:
        """Return the feeds of one row of JSON tensors, the most frequent request; None for other requests."""
        row = self._find_row(inputs)
        return None if row is None else self._read_cells(*row)

    def _find_row(self, inputs: Any) -> tuple[_RowForm, list[Any]] | None:
        try:
            names, shapes, datatypes, data = zip(*map(_get_fields, inputs), strict=True)
            if shapes[0] not in _ONE_ROW or shapes.count(shapes[0]) != len(shapes):
                return None
            if not _LIST.issuperset(map(type, data)):
                return None
            return self._find_form(names, datatypes), [cell for (cell,) in data]
        except (KeyError, TypeError, ValueError):
            return None

    def _read_cells(self, form: _RowForm, cells: list[Any]) -> Feeds | None:
        """Return the feeds of one row; None if the type or the value of a cell does not match its datatype."""
        types = tuple(map(type, cells))
        if types not in form.known_types:
            if not all(map(contains, form.types, types)):
                return None
            if len(form.known_types) < _MAX_KNOWN:
                form.known_types.add(types)
        for position, low, high in form.ranges:
            cell = cells[position]
            if cell is not None and not low <= cell <= high:
                return None
        return form.read(cells)

    def _find_table(self, inputs: Any) -> _Table | None:
        """Return the table that binary tensors form: one tensor per column, all of the same datatype and shape."""
        if self._number_dtype is None:
            return None
        try:
            names, shapes, datatypes, parameters = zip(*map(_get_binary_fields, inputs), strict=True)
            sizes = list(map(_get_size, parameters))
            form = self._find_form(names, datatypes)
            shape = shapes[0]
            rows = shape[0]
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        if form.source is None or shape not in ([rows], [rows, 1]) or type(rows) is not int:
            return None
        count, size = len(names), rows * form.source.itemsize
        is_even = shapes.count(shape) == sizes.count(size) == count
        has_data = sum(map(len, inputs)) != count * len(_BINARY_FIELDS)
        return _Table(names, rows, form.source, count * size) if is_even and not has_data else None

    def _view_table(self, table: _Table, data: bytes) -> Feeds | None:
        """Return views of a table's columns. NaN is a missing value.

        Returns:
            The feeds; None if the data has another size or an infinity: reading the tensors one by one then reports it.
        """
        if len(data) != table.size:
            return None
        self._decoder.check_count(table.rows, "inputs")
        cells = np.frombuffer(data, table.source).reshape(len(table.names), table.rows)
        if table.source != self._number_dtype:
            with np.errstate(over="ignore"):
                cells = cells.astype(self._number_dtype)
        # NaN is allowed but not finite. Most tables have neither NaN nor infinity, so that isfinite alone suffices.
        if not np.isfinite(cells).all() and np.isinf(cells).any():
            return None
        return dict(zip(table.names, cells))  # noqa: B905 - the lengths are the same

    def _find_form(self, names: tuple[str, ...], datatypes: tuple[str, ...]) -> _RowForm:
        """Return the form of a row of tensors with these names and datatypes.

        Raises:
            KeyError: A tensor belongs to no column, or its column does not accept its datatype.
            TypeError: A name or datatype is not hashable, so it is not text.
            ValueError: A column is absent or repeated.
        """
        form = self._forms.get((names, datatypes))
        if form is not None:
            return form
        if len(set(names)) != len(names) or len(names) != len(self._elements):
            raise ValueError
        types = [self._elements[name][datatype] for name, datatype in zip(names, datatypes, strict=True)]
        is_table = {*datatypes} <= TABLE_DATATYPES and len({*datatypes}) == 1
        form = _RowForm(
            types=types,
            known_types=set(),
            ranges=[(i, *RANGES[datatype]) for i, datatype in enumerate(datatypes) if datatype in RANGES],
            read=self._decoder.row_reader(names, describe_element),
            source=BINARY_DATATYPES[datatypes[0]] if is_table else None,
        )
        if len(self._forms) < _MAX_FORMS:
            self._forms[names, datatypes] = form
        return form


def _reads_data(read_cells: RowBody, count: int) -> bool:
    """Return whether the elements are those of the field ``data``, and not of a parameter with the same name."""
    try:
        inputs = orjson.loads(read_cells.with_numbers())["inputs"]
        return [tensor["data"] for tensor in inputs] == [[number] for number in range(count)]
    except (KeyError, TypeError, ValueError):
        return False


def _code_of(datatype: str) -> str:
    """Return the code of a datatype in ``struct``.

    Raises:
        KeyError: The datatype has no code.
    """
    return ELEMENTS[datatype].format[1:]


def _mark_missing(numbers: Sequence[float]) -> list[float | None]:
    """Return numbers with None for NaN.

    Raises:
        ValueError: A number is infinite: reading the tensors one by one then reports it.
    """
    if any(map(math.isinf, numbers)):
        raise ValueError
    return [None if math.isnan(number) else number for number in numbers]


def describe_element(row: int, column: str) -> str:
    """Return the location of a cell in a request with tensors, for messages."""
    return f"input '{display_name(column)}', element {row}"
