"""Dynamic int8: weights become 8-bit integers now, activations while the model runs; no calibration rows are needed.

Requires  a body whose MatMul/Gemm weights are constants.
Does      replaces MatMul by MatMulInteger, with a scale for each row of activations and each output of a layer, and
          stores embeddings as bytes.
Ensures   integer operators are in the graph, and it is well formed.

onnxruntime's own dynamic quantization has one scale for all rows of a batch, so that a row's predictions depend on the
other rows. Scales per row are from LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339, section 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.quantization.quantization_graph import (
    matrix_layers,
    prepare_quantization,
    quantize_embeddings,
)
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.compose import normalize
from pipeline.graphs.writer import NamedGraph

__all__ = ["DYNAMIC_CONFIGS", "INTEGER_OPERATORS", "DynamicInt8", "DynamicInt8Config"]

INTEGER_OPERATORS = frozenset({"MatMulInteger"})
_MAX_WEIGHT = 64  # 7 bits: sums of two products of 8 bits overflow on CPUs without VNNI
_ZERO_POINT, _MAX_ACTIVATION = 128, 127
_MIN_SCALE = 1e-20  # scale of a row of zeros, which avoids a division by 0

_SHARED_CONSTANTS: Mapping[str, npt.NDArray[Any]] = {
    "last_axis": np.array([-1], np.int64),
    "max": np.array(_MAX_ACTIVATION, np.float32),
    "min_scale": np.array(_MIN_SCALE, np.float32),
    "center": np.array(_ZERO_POINT, np.float32),
    "zero_point": np.array(_ZERO_POINT, np.uint8),
}

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicInt8Config:
    """Which layers stay fp32.

    Attributes:
        embeddings: Whether embeddings become bytes.
        exact_first: Whether the layer that reads the inputs stays fp32.
        exact_last: Whether the layer that computes the predictions stays fp32.
    """

    embeddings: bool = True
    exact_first: bool = False
    exact_last: bool = False

    def __str__(self) -> str:
        """Return what the leaderboard shows."""
        exact = {"embeddings": not self.embeddings, "the first layer": self.exact_first, "the last": self.exact_last}
        layers = [layer for layer, is_exact in exact.items() if is_exact]
        return f"kept in fp32: {', '.join(layers)}" if layers else ""


# From the smallest file to the most exact one; the first that passes its gates is used.
DYNAMIC_CONFIGS = (
    DynamicInt8Config(),
    DynamicInt8Config(exact_first=True),
    DynamicInt8Config(exact_first=True, exact_last=True, embeddings=False),
)


class DynamicInt8(GraphPass):
    """Quantize weights to 7 bits, so that predictions are the same on CPUs with VNNI and without."""

    def __init__(self, config: DynamicInt8Config | None = None) -> None:
        self._config = config or DynamicInt8Config()

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: No layer is left to quantize.
        """
        if not self._layers(model):
            raise NotApplicableError("there is no MatMul or Gemm with constant weights left to quantize")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Quantize embeddings and layers."""
        graph = prepare_quantization(model)
        if self._config.embeddings:
            graph = quantize_embeddings(graph)
        layers = set(self._layers(graph))
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
        nodes = list(graph.graph.node)
        del graph.graph.node[:]
        for node in nodes:
            if node.name not in layers:
                graph.graph.node.append(node)
                continue
            layer = _quantize_layer(node, weights[node.input[1]])
            graph.graph.node.extend(layer.nodes)
            graph.graph.initializer.extend(layer.constants)
        graph.graph.initializer.extend(
            numpy_helper.from_array(value, _shared(name)) for name, value in _SHARED_CONSTANTS.items()
        )
        _drop_unread(graph.graph)
        return normalize(graph)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: Nothing was quantized.
        """
        onnx.checker.check_model(model)
        if not INTEGER_OPERATORS & {node.op_type for node in model.graph.node}:
            raise CompressionError("the quantized graph has no integer operator")

    def _layers(self, model: onnx.ModelProto) -> list[str]:
        names = list(matrix_layers(model))
        first, last = int(self._config.exact_first), int(self._config.exact_last)
        return names[first : len(names) - last]


def _quantize_layer(node: onnx.NodeProto, weights: Floats) -> NamedGraph:
    """Return nodes that compute ``activations @ weights`` in integers."""
    (activations, _), output = node.input, node.output[0]
    scale = np.maximum(np.abs(weights).max(axis=-2, keepdims=True) / _MAX_WEIGHT, _MIN_SCALE).astype(np.float32)
    graph = NamedGraph(prefix=f"{node.name}/int8/")
    integers = graph.constant("weights", np.round(weights / scale).astype(np.int8))
    sizes = graph.add("Abs", activations, name="sizes")
    largest = graph.add("ReduceMax", sizes, _shared("last_axis"), name="largest", keepdims=1)
    positive = graph.add("Max", largest, _shared("min_scale"), name="positive")
    factor = graph.add("Div", _shared("max"), positive, name="factor")
    scaled = graph.add("Mul", activations, factor, name="scaled")
    shifted = graph.add("Add", scaled, _shared("center"), name="shifted")
    rounded = graph.add("Round", shifted, name="rounded")
    quantized = graph.add("Cast", rounded, name="bytes", to=TensorProto.UINT8)
    sums = graph.add("MatMulInteger", quantized, integers, _shared("zero_point"), name="sums")
    floats = graph.add("Cast", sums, name="floats", to=TensorProto.FLOAT)
    unscaled = graph.add("Div", floats, factor, name="unscaled")
    graph.add_output("Mul", unscaled, graph.constant("scale", scale), output=output)
    for index, layer_node in enumerate(graph.nodes):
        layer_node.name = f"{graph.prefix}{index}"
    return graph


def _shared(name: str) -> str:
    """Return the name of a constant that all layers read."""
    return f"int8/{name}"


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Drop constants that no node reads."""
    read = {name for node in graph.node for name in node.input}
    read |= {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
