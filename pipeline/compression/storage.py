"""The stored form of a variant: find weights and trees in the serialized graph, and pack them (pipeline.codec)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto

from pipeline.codec.pack import pack
from pipeline.codec.tensors import TensorSpan
from pipeline.codec.trees import TreeAttribute, TreeSpan
from pipeline.graphs.tree_ensemble import TREE_OPERATOR

__all__ = ["find_spans", "pack_model"]

# Bytes of one element. Strings have no fixed width; two values of 4 bits share a byte.
_WIDTHS = {
    TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2,
    TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.INT16: 2, TensorProto.UINT16: 2, TensorProto.INT32: 4,
    TensorProto.UINT32: 4, TensorProto.INT64: 8, TensorProto.UINT64: 8, TensorProto.INT4: 1, TensorProto.UINT4: 1,
}  # fmt: skip
_FLOATS_TAG = 0x3D  # AttributeProto.floats: field 7, four bytes, not packed
_MIN_COUNT = 64
_SMALL_FILE = 65_536  # bytes; up to this size the descriptions of spans may take more than they save

Span = TensorSpan | TreeSpan


def pack_model(file: bytes) -> bytes:
    """Return the smallest stored form of a serialized ONNX model: packed, or the model itself."""
    spans = find_spans(file)
    packed = pack(file, spans)
    if spans and len(file) <= _SMALL_FILE:
        packed = min(packed, pack(file, []), key=len)
    return min(file, packed, key=len)


def find_spans(file: bytes) -> list[Span]:
    """Return the spans of large tensors, lists of floats and trees in a serialized model, by offset."""
    spans: list[Span] = []
    end = 0
    for content, span in _contents(onnx.load_from_string(file).graph):
        offset = file.find(content, end)
        if offset < 0:
            continue  # serialized before the previous span: it is compressed with the rest of the file
        end = offset + len(content)
        spans.append(replace(span, offset=offset))
    return spans


def _contents(graph: onnx.GraphProto) -> Iterator[tuple[bytes, Span]]:
    """Yield bytes and their span, whose offset is not set yet, in the order of serialization: nodes, initializers."""
    for node in graph.node:
        trees = _trees(node) if node.op_type == TREE_OPERATOR else None
        if trees is not None:
            yield trees
            continue
        for attribute in node.attribute:
            if len(attribute.floats) >= _MIN_COUNT:
                content = AttributeProto(floats=attribute.floats).SerializeToString()
                yield content, TensorSpan(offset=0, count=len(attribute.floats), width=4, tag=_FLOATS_TAG)
            if attribute.HasField("t"):
                yield from _tensor(attribute.t)
            if attribute.HasField("g"):
                yield from _contents(attribute.g)
    for tensor in graph.initializer:
        yield from _tensor(tensor)


def _tensor(tensor: TensorProto) -> Iterator[tuple[bytes, TensorSpan]]:
    width = _WIDTHS.get(tensor.data_type)
    if width and len(tensor.raw_data) >= _MIN_COUNT * width:
        yield tensor.raw_data, TensorSpan(offset=0, count=len(tensor.raw_data) // width, width=width)


def _trees(node: onnx.NodeProto) -> tuple[bytes, TreeSpan] | None:
    """Return the attributes of a tree ensemble; None if TreeSpan cannot store them (trees not in preorder)."""
    content = bytes(onnx.NodeProto(attribute=node.attribute).SerializeToString())
    span = TreeSpan(
        offset=0, size=len(content), attributes=[_tree_attribute(attribute) for attribute in node.attribute]
    )
    return (content, span) if span.is_in_preorder(content) else None


def _tree_attribute(attribute: AttributeProto) -> TreeAttribute:
    content = bytes(onnx.NodeProto(attribute=[attribute]).SerializeToString())
    if attribute.type == AttributeProto.INTS:
        return TreeAttribute(name=attribute.name, values=np.array(attribute.ints, np.int64))
    width = _WIDTHS.get(attribute.t.data_type)
    if attribute.type == AttributeProto.TENSOR and width and attribute.t.raw_data:
        before, _, after = content.partition(attribute.t.raw_data)
        values = np.frombuffer(attribute.t.raw_data, f"<u{width}")
        return TreeAttribute(name=attribute.name, values=values, before=before, after=after)
    return TreeAttribute(before=content)
