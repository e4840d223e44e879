"""Layers of a calibrated graph in integers: QuantizeLinear and DequantizeLinear around each of them (QDQ)."""

from __future__ import annotations

from collections.abc import Collection

import onnx
from onnxruntime.quantization import QDQQuantizer, QuantType, TensorsData

from pipeline.compression.passes.quantization.calibration import CALIBRATED_OPERATORS
from pipeline.compression.passes.quantization.quantization_graph import matrix_layers
from pipeline.graphs.compose import normalize

__all__ = ["count_integer_layers", "quantize_layers"]

_LAYERS = ("Conv", "MatMul", "Gemm")


def quantize_layers(graph: onnx.ModelProto, ranges: TensorsData, layers: Collection[str]) -> onnx.ModelProto:
    """Return the graph with the named ``layers`` in integers.

    Weights have 7 bits (``reduce_range``) and a scale for each output channel; if a layer is a stack of matrices, each
    tensor has one scale. Products of two activations, as in attention, stay in fp32. So do the outputs of layers on
    sequences: onnxruntime then multiplies integers and scales the sums in one operator (MatMulIntegerToFloat).

    Args:
        graph: A graph from prepare_quantization; it is not changed.
        ranges: Ranges of the activations.
        layers: Names of the layers' nodes.
    """
    quantized = onnx.ModelProto()
    quantized.CopyFrom(graph)
    is_stacked = any(matrix_layers(quantized).get(name) == 3 for name in layers)
    floats = {node.name for node in quantized.graph.node if node.op_type in _LAYERS} - set(layers)
    quantizer = QDQQuantizer(
        quantized,
        per_channel=not is_stacked,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(floats),
        op_types_to_quantize=list(CALIBRATED_OPERATORS),
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"] if _reads_sequences(quantized) else []},
    )
    quantizer.quantize_model()
    return normalize(quantizer.model.model)


def count_integer_layers(graph: onnx.ModelProto) -> int:
    """Return how many layers read integers."""
    restored = {node.output[0] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in graph.graph.node if node.op_type in _LAYERS]
    return sum(restored.issuperset(node.input[:2]) for node in layers)


def _reads_sequences(graph: onnx.ModelProto) -> bool:
    """Return whether a layer with a matrix of weights reads activations [rows, positions, features]."""
    inferred = onnx.shape_inference.infer_shapes(graph).graph
    dimensions = {value.name: len(value.type.tensor_type.shape.dim) for value in inferred.value_info}
    matrices = [name for name, axes in matrix_layers(graph).items() if axes == 2]
    return any(dimensions.get(node.input[0], 0) > 2 for node in graph.graph.node if node.name in matrices)
