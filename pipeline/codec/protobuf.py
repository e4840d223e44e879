"""Serialize a node's list of integers in the same way as protobuf (onnx.proto, AttributeProto)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["serialize_ints"]

# A tag encodes the number of a field and the wire type of its value.
_ATTRIBUTE_TAG, _NAME_TAG = b"\x2a", b"\x0a"
_INT_TAG = 0x40
_TYPE_INTS = b"\xa0\x01\x07"
_BITS = 7  # bits of the value in each byte of a varint


def serialize_ints(name: str, values: npt.NDArray[np.int64]) -> bytes:
    """Return a serialized attribute of type INTS; ``values`` must not be negative."""
    groups, lengths = _varints(values.astype(np.uint64))
    written = np.zeros(len(groups) + len(values), np.uint8)
    is_tag = np.zeros(len(written), bool)
    is_tag[np.cumsum(lengths + 1) - lengths - 1] = True
    written[is_tag], written[~is_tag] = _INT_TAG, groups
    return _ATTRIBUTE_TAG + _sized(_NAME_TAG + _sized(name.encode()) + written.tobytes() + _TYPE_INTS)


def _sized(content: bytes) -> bytes:
    return _varints(np.array([len(content)], np.uint64))[0].tobytes() + content


def _varints(values: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of all varints, and the number of bytes of each.

    Each byte has seven bits of the value, the lowest bits first; its highest bit is set in all bytes but the last.
    """
    lengths = np.ones(len(values), np.int64)
    high_bits = values >> np.uint64(_BITS)
    while high_bits.any():
        lengths += high_bits > 0
        high_bits = high_bits >> np.uint64(_BITS)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    groups = (np.repeat(values, lengths) >> (np.uint64(_BITS) * within.astype(np.uint64))) & np.uint64(0x7F)
    continued = within + 1 < np.repeat(lengths, lengths)
    return groups.astype(np.uint8) | (continued.astype(np.uint8) << np.uint8(_BITS)), lengths
