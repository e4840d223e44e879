"""Small ONNX graphs like those of other libraries' exporters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["constant", "graph", "layer", "matrix", "value"]


def value(name: str, element: int = TensorProto.FLOAT, shape: Sequence[Any] = ("batch",)) -> onnx.ValueInfoProto:
    """Return an input or an output."""
    return helper.make_tensor_value_info(name, element, list(shape))


def matrix(name: str, width: int, rows: str | int = "batch") -> onnx.ValueInfoProto:
    """Return an input or an output that is a matrix of floats."""
    return value(name, shape=(rows, width))


def constant(name: str, array: npt.NDArray[Any] | Sequence[Any], dtype: Any = np.float32) -> onnx.TensorProto:
    """Return a constant."""
    return numpy_helper.from_array(np.asarray(array, dtype), name)


def layer(source: str, output: str, *, name: str = "layer", operator: str = "MatMul") -> onnx.NodeProto:
    """Return a layer whose weights are named ``w``."""
    return helper.make_node(operator, [source, "w"], [output], name=name)


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
    *,
    opset: int = 17,
    **domains: int,
) -> onnx.ModelProto:
    """Return a model; ``domains`` -> version are imported in addition to ONNX's own, with _ for dots in names."""
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain.replace("_", "."), version) for domain, version in domains.items()]
    return helper.make_model(
        helper.make_graph(nodes, "graph", inputs, outputs, constants), opset_imports=opsets, ir_version=8
    )
