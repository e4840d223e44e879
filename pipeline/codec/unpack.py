"""Unpack a packed model file. NumPy and the standard library only: predict imports this module on a cold start."""

from __future__ import annotations

import json
import struct
from typing import Any

from pipeline.codec.streams import HEAD_MODEL, StreamReader, decompress
from pipeline.codec.tensors import read_tensor

__all__ = ["MAGIC", "PREFIX", "is_packed", "unpack"]

MAGIC = b"MDPK\x01"  # no ONNX file begins with it: M is not the tag of a field of ModelProto
PREFIX = "<II"  # sizes of the head in bytes: decompressed, compressed


def is_packed(file: bytes) -> bool:
    """Return whether a stored file is packed; other files are plain ONNX."""
    return file.startswith(MAGIC)


def unpack(file: bytes) -> bytes:
    """Return the model file that was packed, byte for byte; a file that is not packed is returned unchanged.

    Raises:
        ValueError: The file is damaged.
    """
    if not is_packed(file):
        return file
    try:
        head_size, packed_size = struct.unpack_from(PREFIX, file, len(MAGIC))
        start = len(MAGIC) + struct.calcsize(PREFIX)
        head = json.loads(decompress(file[start : start + packed_size], head_size, HEAD_MODEL))
        return _join(head, StreamReader(file, start + packed_size))
    except (KeyError, IndexError, TypeError, struct.error) as error:
        raise ValueError("the packed model file is damaged: its head does not describe it") from error


def _read_span(span: dict[str, Any], reader: StreamReader) -> bytes:
    if "trees" not in span:
        return read_tensor(span, reader)
    from pipeline.codec.trees import read_trees  # noqa: PLC0415 - only models of trees need it

    return read_trees(span, reader)


def _join(head: dict[str, Any], reader: StreamReader) -> bytes:
    """Return the model file: the skeleton with the spans inserted at their offsets."""
    spans = [(span["offset"], _read_span(span, reader)) for span in head["spans"]]
    skeleton = memoryview(reader.read(*head["skeleton"]))
    if not reader.at_end:
        raise ValueError("the packed model file is damaged: its length is not what its head describes")
    pieces: list[bytes | memoryview] = []
    end, position = 0, 0  # bytes of the file, and of the skeleton, that the pieces contain
    for offset, content in spans:
        pieces += (skeleton[position : position + offset - end], content)
        position += offset - end
        end = offset + len(content)
    file = b"".join([*pieces, skeleton[position:]])
    if len(file) != head["size"]:
        raise ValueError(f"the packed model file unpacks to {len(file)} bytes, {head['size']} are expected")
    return file
