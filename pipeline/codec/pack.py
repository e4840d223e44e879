"""Pack a model file."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from pipeline.codec.streams import HEAD_MODEL, StreamWriter, compress
from pipeline.codec.tensors import TensorSpan
from pipeline.codec.trees import TreeSpan
from pipeline.codec.unpack import MAGIC, PREFIX, unpack

__all__ = ["pack"]

_MIN_BYTES = 256  # the description of a smaller tensor in the head costs more than its encoding saves


def pack(file: bytes, spans: Sequence[TensorSpan | TreeSpan]) -> bytes:
    """Return the packed form of ``file``, from which ``unpack`` restores the same bytes.

    Args:
        file: A serialized ONNX model.
        spans: Large tensors and trees of the file, ordered by offset, without overlap. The rest of the file is
            compressed as one stream.
    """
    writer, skeleton, end = StreamWriter(), bytearray(), 0
    entries: list[dict[str, Any]] = []
    for span in spans:
        if span.size < _MIN_BYTES:
            continue
        skeleton += file[end : span.offset]
        end = span.offset + span.size
        entries.append({"offset": span.offset, **span.write(file, writer)})
    skeleton += file[end:]
    described = {"size": len(file), "spans": entries, "skeleton": writer.write(bytes(skeleton))}
    head = json.dumps(described, separators=(",", ":")).encode()
    packed_head = compress(head, HEAD_MODEL)
    packed = b"".join([MAGIC, struct.pack(PREFIX, len(head), len(packed_head)), packed_head, *writer.streams])
    assert unpack(packed) == file, "packing loses nothing"
    return packed
