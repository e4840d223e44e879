"""The Open Inference Protocol's binary tensor data extension.

A body consists of a JSON header, whose length is in the HTTP header ``Inference-Header-Content-Length``, and the data
of each tensor with the parameter ``binary_data_size``, in the order of the JSON header.

References:
    Triton Inference Server, "Binary Tensor Data Extension",
    https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.datatypes import BINARY_FORMS

__all__ = ["BINARY_DATATYPES", "ELEMENTS", "attach_binary_data", "datatype_of", "split_header", "write_binary_tensor"]

BINARY_DATATYPES: Mapping[str, np.dtype[Any]] = {name: np.dtype(form) for name, form in BINARY_FORMS.items()}
ELEMENTS: Mapping[str, struct.Struct] = {
    datatype: struct.Struct("<" + letter)
    for datatype, letter in {
        "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h",
        "INT32": "i", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
    }.items()
}  # fmt: skip
_DATATYPES: Mapping[np.dtype[Any], str] = {
    np.dtype(np.bool_): "BOOL",
    **{dtype: name for name, dtype in BINARY_DATATYPES.items() if name not in ("BOOL", "BF16")},
}
_LENGTH = struct.Struct("<I")  # length in bytes before each element of a BYTES tensor
_SIZE = "binary_data_size"
_INFINITIES = (math.inf, -math.inf)  # left to the decoder of arrays, which reports their location


def split_header(body: bytes, length: str) -> tuple[bytes, bytes]:
    """Split a body into its JSON header and its binary data.

    Args:
        body: The body.
        length: Value of the HTTP header ``Inference-Header-Content-Length``.

    Raises:
        InvalidRequestError: The length is not a number, or is larger than the body.
    """
    if not (length.isascii() and length.isdigit() and len(length) <= 12 and int(length) <= len(body)):
        raise InvalidRequestError(
            "Inference-Header-Content-Length: the length of the JSON header is expected, at most the "
            f"{len(body)} bytes of the body"
        )
    return body[: int(length)], body[int(length) :]


def attach_binary_data(inputs: Any, data: bytes) -> None:
    """Add ``data`` to the input tensors whose parameter ``binary_data_size`` announces it.

    The data becomes a list for BYTES and for a single number (None for NaN), and an array of one axis for several
    numbers.

    Args:
        inputs: ``inputs`` of the JSON header.
        data: Binary part of the body.

    Raises:
        InvalidRequestError: The data is truncated or too long, or does not have the shape or datatype of its tensor.
    """
    if type(inputs) is not list:
        return  # the decoder of tensors reports the error
    offset = 0
    for number, tensor in enumerate(inputs):
        size = _binary_size(tensor, number)
        if size is None:
            continue
        end = offset + size
        if end > len(data):
            raise InvalidRequestError(
                f"inputs[{number}]: {size} bytes of binary data are expected, the body has {len(data) - offset} more"
            )
        values = _read_one(tensor.get("datatype"), data, offset, size)
        tensor["data"] = _read_values(tensor, number, data[offset:end]) if values is None else values
        offset = end
    if offset != len(data):
        raise InvalidRequestError(
            f"the body has {len(data)} bytes of binary data, its tensors have {offset}: equal numbers are expected"
        )


def datatype_of(array: NDArray[Any]) -> str:
    """Return the protocol's datatype of an output; an array of objects has texts (BYTES)."""
    return _DATATYPES.get(array.dtype, "BYTES")


def write_binary_tensor(array: NDArray[Any]) -> bytes:
    """Return the binary data of an output: little-endian numbers, or texts, each preceded by its length."""
    if array.dtype == object:
        texts = array.ravel().tolist()
        elements = {text: _pack_text(text) for text in set(texts)}  # labels have few distinct values
        return b"".join(map(elements.__getitem__, texts))
    if sys.byteorder == "big":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()


def _pack_text(text: str) -> bytes:
    content = text.encode()
    return _LENGTH.pack(len(content)) + content


def _binary_size(tensor: Any, number: int) -> int | None:
    try:
        size = tensor["parameters"][_SIZE]
    except (KeyError, TypeError):
        return None  # the decoder of tensors reports other errors
    if type(size) is not int or size < 0:
        raise InvalidRequestError(f"inputs[{number}], {_SIZE}: a number of bytes is expected, not {json_type(size)}")
    if "data" in tensor:
        raise InvalidRequestError(f"inputs[{number}] has data and {_SIZE}: one of them is expected")
    return size


def _read_one(datatype: Any, data: bytes, offset: int, size: int) -> list[Any] | None:
    """Return the only element of a tensor in a list; None if the data may have several elements or is invalid."""
    if datatype == "BYTES":
        start = offset + 4
        if size < 4 or int.from_bytes(data[offset:start], "little") != size - 4:
            return None
        try:
            return [data[start : offset + size].decode()]
        except UnicodeDecodeError:
            return None
    element = ELEMENTS.get(datatype) if type(datatype) is str else None
    if element is None or element.size != size:
        return None
    (number,) = element.unpack_from(data, offset)
    if number != number:  # noqa: PLR0124 - NaN
        return [None]
    return None if number in _INFINITIES else [number]


def _read_values(tensor: Mapping[str, Any], number: int, data: bytes) -> NDArray[Any] | list[str]:
    where = f"inputs[{number}]"
    datatype = tensor.get("datatype")
    values: NDArray[Any] | list[str]
    if datatype == "BYTES":
        values = _read_texts(data, where)
    elif type(datatype) is str and datatype in BINARY_DATATYPES:
        values = _read_numbers(data, datatype, where)
    else:
        raise InvalidRequestError(f"{where}, datatype: one of BYTES, {', '.join(BINARY_DATATYPES)} is expected")
    shape = tensor.get("shape")
    if type(shape) is list and all(type(axis) is int for axis in shape) and math.prod(shape) != len(values):
        raise InvalidRequestError(
            f"{where}: its shape has {math.prod(shape)} elements, its binary data has {len(values)}"
        )
    return values


def _read_numbers(data: bytes, datatype: str, where: str) -> NDArray[Any]:
    dtype = BINARY_DATATYPES[datatype]
    if len(data) % dtype.itemsize:
        raise InvalidRequestError(
            f"{where}: {datatype} has {dtype.itemsize} bytes an element, its binary data has {len(data)}"
        )
    numbers: NDArray[Any] = np.frombuffer(data, dtype)
    if datatype == "BF16":  # the upper 16 bits of a float32
        return (numbers.astype("<u4") << 16).view("<f4")
    return numbers != 0 if datatype == "BOOL" else numbers


def _read_texts(data: bytes, where: str) -> list[str]:
    texts = _slice_texts(data.decode("ascii"), data) if data.isascii() else None
    return _decode_texts(data, where) if texts is None else texts


def _slice_texts(characters: str, data: bytes) -> list[str] | None:
    """Return the texts of ASCII data in half the time of ``_decode_texts``; None if the data is truncated.

    Args:
        characters: The decoded data; in ASCII each character is one byte.
        data: The data.
    """
    texts: list[str] = []
    append, read_length = texts.append, _LENGTH.unpack_from
    start, end = 0, len(data)
    try:
        while start < end:
            (length,) = read_length(data, start)
            start += 4
            append(characters[start : (start := start + length)])
    except struct.error:
        return None
    return texts if start == end else None


def _decode_texts(data: bytes, where: str) -> list[str]:
    texts: list[str] = []
    start = 0
    try:
        while start < len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            start += _LENGTH.size
            if start + length > len(data):
                raise InvalidRequestError(f"{where}: the binary data of element {len(texts)} is truncated")
            texts.append(data[start : start + length].decode())
            start += length
    except struct.error:
        raise InvalidRequestError(f"{where}: the binary data of element {len(texts)} is truncated") from None
    except UnicodeDecodeError:
        raise InvalidRequestError(f"{where}: element {len(texts)} is not UTF-8, which is expected") from None
    return texts
