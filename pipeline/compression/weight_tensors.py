"""Read and change the float weights of a graph; its operators stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

__all__ = ["MIN_WEIGHTS", "WEIGHT_INPUTS", "is_large", "map_weights", "read_weights"]

MIN_WEIGHTS = 64  # a smaller tensor (a bias, a scale) stays exact: it takes few bytes
# Operator -> the input, or the attribute, that holds its weights.
WEIGHT_INPUTS = {"MatMul": 1, "Gemm": 1, "Conv": 1, "Gather": 0, "Einsum": 1}
_WEIGHT_ATTRIBUTES = {"TreeEnsemble": ("leaf_weights",)}

Floats = npt.NDArray[np.float32]


def read_weights(model: onnx.ModelProto) -> list[Floats]:
    """Return the weights that map_weights would change."""
    return [numpy_helper.to_array(tensor) for tensor in _weights(model.graph)]


def map_weights(model: onnx.ModelProto, change: Callable[[Floats], Floats]) -> onnx.ModelProto:
    """Return a copy of a model in which the result of ``change`` replaces each weight tensor.

    Args:
        model: A model; its weights are the constant matrices of MatMul, Gemm, Conv and Einsum, the embeddings of
            Gather, and the leaves of TreeEnsemble.
        change: Takes and returns a tensor of the same shape.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in _weights(changed.graph):
        weights = np.asarray(change(numpy_helper.to_array(tensor)), np.float32)
        tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    return changed


def _weights(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Yield the weights of a graph and its subgraphs, each once."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for node in graph.node:
        index = WEIGHT_INPUTS.get(node.op_type, len(node.input))
        tensor = tensors.pop(node.input[index], None) if index < len(node.input) else None
        if tensor is not None and is_large(tensor):
            yield tensor
        for attribute in node.attribute:
            if attribute.name in _WEIGHT_ATTRIBUTES.get(node.op_type, ()) and is_large(attribute.t):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _weights(attribute.g)


def is_large(tensor: TensorProto) -> bool:
    """Return whether a tensor holds so many float weights that they are worth changing."""
    return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims, dtype=np.int64)) >= MIN_WEIGHTS
