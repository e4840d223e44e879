"""Serialization of the list attributes of an ONNX node, as protobuf writes them (onnx.proto, AttributeProto)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["serialize_attribute", "varint"]

# A tag is the number of a field and how its value is written.
_ATTRIBUTE_TAG = b"\x2a"  # NodeProto.attribute
_NAME_TAG = b"\x0a"
_FLOAT_TAG, _INT_TAG, _STRING_TAG = 0x3D, 0x40, b"\x4a"
_TYPE_TAG = b"\xa0\x01"
_FLOATS, _INTS, _STRINGS = 6, 7, 8  # AttributeProto.AttributeType
_BITS = 7  # of a varint's byte


def serialize_attribute(name: str, values: npt.NDArray[Any]) -> bytes:
    """Return a node's attribute: int64 values as INTS, uint32 as the bits of FLOATS, texts as STRINGS."""
    if values.dtype == np.uint32:
        body, kind = _floats(values), _FLOATS
    elif values.dtype == np.int64:
        body, kind = _ints(values), _INTS
    else:
        body, kind = _strings(values), _STRINGS
    content = _NAME_TAG + _sized(name.encode()) + body + _TYPE_TAG + varint(kind)
    return _ATTRIBUTE_TAG + _sized(content)


def varint(value: int) -> bytes:
    """Return a number in bytes of seven bits, the lowest first; all but the last have their highest bit set."""
    return _varints(np.array([value], np.uint64))[0].tobytes()


def _sized(content: bytes) -> bytes:
    return varint(len(content)) + content


def _floats(values: npt.NDArray[np.uint32]) -> bytes:
    records = np.empty((len(values), 5), np.uint8)
    records[:, 0] = _FLOAT_TAG
    records[:, 1:] = values.view(np.uint8).reshape(-1, 4)
    return records.tobytes()


def _ints(values: npt.NDArray[np.int64]) -> bytes:
    groups, lengths = _varints(values.astype(np.uint64))
    written = np.zeros(len(groups) + len(values), np.uint8)
    starts = np.cumsum(lengths + 1) - lengths - 1
    is_tag = np.zeros(len(written), bool)
    is_tag[starts] = True
    written[is_tag], written[~is_tag] = _INT_TAG, groups
    return written.tobytes()


def _strings(values: npt.NDArray[Any]) -> bytes:
    distinct, codes = np.unique(values.astype(str), return_inverse=True)
    written = [_STRING_TAG + _sized(text.encode()) for text in distinct.tolist()]
    return b"".join([written[code] for code in codes.tolist()])


def _varints(values: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of all values, one after another, and how many each has."""
    lengths = np.ones(len(values), np.int64)
    rest = values >> np.uint64(_BITS)
    while rest.any():
        lengths += rest > 0
        rest = rest >> np.uint64(_BITS)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    groups = (np.repeat(values, lengths) >> (np.uint64(_BITS) * within.astype(np.uint64))) & np.uint64(0x7F)
    continued = within + 1 < np.repeat(lengths, lengths)
    return (groups.astype(np.uint8) | (continued.astype(np.uint8) << 7)).astype(np.uint8), lengths
