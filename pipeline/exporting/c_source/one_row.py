"""Fix a graph's batch at one row: every tensor then has a static shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper, shape_inference

from pipeline.contracts.errors import InvalidModelError
from pipeline.exporting.c_source.tensors import CTensor, c_type

__all__ = ["OneRowGraph", "fix_batch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OneRowGraph:
    """A graph for one row.

    Attributes:
        nodes: The nodes in topological order.
        tensors: All tensors by their ONNX name: constants, inputs, outputs, and intermediate values.
        inputs: ONNX names of the inputs.
        outputs: ONNX names of the outputs.
    """

    nodes: tuple[onnx.NodeProto, ...]
    tensors: Mapping[str, CTensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def fix_batch(model: onnx.ModelProto) -> OneRowGraph:
    """Return the graph of ``model`` for one row.

    Raises:
        InvalidModelError: The shape or the type of a tensor is unknown, or C source does not support the type.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for value in (*fixed.graph.input, *fixed.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_value = 1
    inferred = shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph
    tensors: dict[str, CTensor] = {}
    for constant in inferred.initializer:
        tensors[constant.name] = _constant(constant, len(tensors))
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        if value.name not in tensors:
            tensors[value.name] = _computed(value, len(tensors))
    for node in inferred.node:
        for name in node.output:
            if name and name not in tensors:
                raise InvalidModelError(f"the shape of tensor '{name}' ({node.op_type}) is not known for one row")
    return OneRowGraph(
        nodes=tuple(inferred.node),
        tensors=tensors,
        inputs=tuple(value.name for value in inferred.input),
        outputs=tuple(value.name for value in inferred.output),
    )


def _constant(constant: TensorProto, index: int) -> CTensor:
    c_type(constant.data_type, constant.name)
    value = numpy_helper.to_array(constant)
    if constant.data_type == TensorProto.STRING:
        value = np.array([text.decode() for text in constant.string_data], dtype=object).reshape(tuple(constant.dims))
    return CTensor(name=f"c{index}", dtype=constant.data_type, shape=tuple(constant.dims), value=value)


def _computed(value: onnx.ValueInfoProto, index: int) -> CTensor:
    tensor = value.type.tensor_type
    c_type(tensor.elem_type, value.name)
    if not tensor.HasField("shape") or not all(dimension.HasField("dim_value") for dimension in tensor.shape.dim):
        raise InvalidModelError(f"the shape of tensor '{value.name}' is not known for one row")
    shape = tuple(dimension.dim_value for dimension in tensor.shape.dim)
    return CTensor(name=f"t{index}", dtype=tensor.elem_type, shape=shape)
