"""The stored form of a variant: its weights found in the serialized graph, and packed (pipeline.codec)."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import TensorProto

from pipeline.codec.pack import WeightSpan, pack

__all__ = ["pack_model", "weight_spans"]

# Bytes of one element. Strings have no fixed width; values of 4 bits lie two in a byte.
_WIDTHS = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2,
    TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.INT16: 2, TensorProto.UINT16: 2, TensorProto.INT32: 4,
    TensorProto.UINT32: 4, TensorProto.INT64: 8, TensorProto.UINT64: 8, TensorProto.INT4: 1, TensorProto.UINT4: 1,
}  # fmt: skip
_FLOATS_TAG = 0x3D  # AttributeProto.floats: field 7, four bytes, not packed
_MIN_COUNT = 64


def pack_model(file: bytes) -> bytes:
    """Return the stored form of a serialized ONNX model; the model itself where packing saves nothing."""
    packed = pack(file, weight_spans(file))
    return packed if len(packed) < len(file) else file


def weight_spans(file: bytes) -> list[WeightSpan]:
    """Return where the large tensors and the lists of floats (trees) lie in a serialized model, in their order."""
    spans, end = [], 0
    for content, width, tag in _weights(onnx.load_from_string(file).graph):
        offset = file.find(content, end)
        if offset < 0:
            continue  # written before the one that precedes it here: it is compressed with the rest
        end = offset + len(content)
        spans.append(WeightSpan(offset=offset, count=len(content) // (width + (tag is not None)), width=width, tag=tag))
    return spans


def _weights(graph: onnx.GraphProto) -> Iterator[tuple[bytes, int, int | None]]:
    """The bytes, element width and tag of each, in the order of serialization: nodes, then initializers."""
    for node in graph.node:
        for attribute in node.attribute:
            if len(attribute.floats) >= _MIN_COUNT:
                yield _floats(attribute), 4, _FLOATS_TAG
            if attribute.HasField("t"):
                yield from _tensor(attribute.t)
            if attribute.HasField("g"):
                yield from _weights(attribute.g)
    for tensor in graph.initializer:
        yield from _tensor(tensor)


def _tensor(tensor: TensorProto) -> Iterator[tuple[bytes, int, int | None]]:
    width = _WIDTHS.get(tensor.data_type)
    if width and len(tensor.raw_data) >= _MIN_COUNT * width:
        yield tensor.raw_data, width, None


def _floats(attribute: onnx.AttributeProto) -> bytes:
    """The list as it is serialized."""
    alone = onnx.AttributeProto()
    alone.floats.extend(attribute.floats)
    return bytes(alone.SerializeToString())
