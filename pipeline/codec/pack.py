"""A model file -> its packed form."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.codec.streams import MODELS, compress
from pipeline.codec.unpack import HEAD_MODEL, MAGIC, PREFIX, unpack
from pipeline.codec.weights import ENCODERS, Words

__all__ = ["WeightSpan", "pack"]

_SAMPLE_BYTES = 1 << 16
_MIN_BYTES = 256  # a smaller tensor costs more in the head than it saves


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightSpan:
    """The bytes of one tensor inside a model file.

    Attributes:
        offset: Where they begin.
        count: Elements.
        width: Bytes of one element: 1, 2, 4 or 8.
        tag: The byte that precedes each element in a protobuf list that is not packed; None in a packed tensor.
    """

    offset: int
    count: int
    width: int
    tag: int | None = None

    @property
    def size(self) -> int:
        return self.count * (self.width + (self.tag is not None))

    def words(self, file: bytes) -> Words:
        """Return the elements as unsigned integers."""
        if self.tag is None:
            return np.frombuffer(file, f"<u{self.width}", self.count, self.offset)
        records = np.frombuffer(file, np.uint8, self.size, self.offset).reshape(self.count, 1 + self.width)
        if (records[:, 0] != self.tag).any():
            raise ValueError("the span is no list of elements with this tag")
        return np.ascontiguousarray(records[:, 1:]).view(f"<u{self.width}").reshape(self.count)


def pack(file: bytes, spans: Sequence[WeightSpan]) -> bytes:
    """Return the smallest packed form of ``file``; unpack gives the same bytes again.

    Args:
        file: A serialized ONNX model.
        spans: Its large tensors, in the order of their offsets; they do not overlap. All else is compressed as text is.
    """
    tensors = [span for span in spans if span.size >= _MIN_BYTES]
    skeleton, end = [], 0
    for span in tensors:
        skeleton.append(file[end : span.offset])
        end = span.offset + span.size
    skeleton.append(file[end:])
    entries, streams = [], []
    for span in tensors:
        entry, parts = _pack_tensor(span.words(file))
        tag = {} if span.tag is None else {"tag": span.tag}
        entries.append({"offset": span.offset, "width": span.width, "count": span.count, **tag, **entry})
        streams += parts
    model, rest = _compress(b"".join(skeleton))
    described = {"size": len(file), "skeleton": [sum(map(len, skeleton)), len(rest), model], "tensors": entries}
    head = json.dumps(described, separators=(",", ":")).encode()
    packed_head = compress(head, HEAD_MODEL)
    packed = b"".join([MAGIC, struct.pack(PREFIX, len(head), len(packed_head)), packed_head, rest, *streams])
    assert unpack(packed) == file, "packing loses nothing"
    return packed


def _pack_tensor(words: Words) -> tuple[dict[str, Any], list[bytes]]:
    """The head's entry and the streams of the encoding that takes least."""
    encoded = {name: encode(words) for name, encode in ENCODERS.items()}
    if encoded["codebook"] or encoded["sparse"]:
        encoded["planes"] = None  # seldom smaller then, and slow to compress
    best: tuple[int, dict[str, Any], list[bytes]] | None = None
    for name, parts in encoded.items():
        if parts is None:
            continue
        packed = {part: _compress(content) for part, content in parts.items()}
        size = sum(len(stream) for _, stream in packed.values())
        if best is None or size < best[0]:
            described = {part: [len(parts[part]), len(stream), model] for part, (model, stream) in packed.items()}
            best = size, {"encoding": name, "streams": described}, [stream for _, stream in packed.values()]
    assert best is not None, "planes encode every tensor"
    return best[1:]


def _compress(content: bytes) -> tuple[int, bytes]:
    """The model under which the content's beginning takes least, and the stream of all of it."""
    sample = content[:_SAMPLE_BYTES]
    model = min(range(len(MODELS)), key=lambda index: len(compress(sample, index)))
    return model, compress(content, model)
