"""Prepare a graph for a quantizer: infer shapes, fold constants, write Gemm as MatMul, and list the layers."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.quantization.shape_inference import quant_pre_process

from pipeline.graphs.compose import normalize

__all__ = ["matrix_layers", "prepare_quantization", "quantize_embeddings", "weighted_layers"]


def prepare_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph in the form that onnxruntime's quantizers accept."""
    with tempfile.TemporaryDirectory() as folder:
        original, folded = Path(folder, "original.onnx"), Path(folder, "folded.onnx")
        onnx.save_model(model, original)  # passed in memory, the graph would be returned without its weights
        quant_pre_process(original, folded, skip_symbolic_shape=True)
        graph = normalize(onnx.load(folded))  # a quantizer does not take a graph of two domains
    # The quantizer transposes Gemm's weights, and fails if value_info has their shapes, which torch's exporter writes.
    del graph.graph.value_info[:]
    ONNXModel(graph).replace_gemm_with_matmul()
    add_pre_process_metadata(graph)  # without it the quantizer warns
    for index, node in enumerate(graph.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return graph


def quantize_embeddings(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with embeddings as bytes, with one scale per embedding table, by onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        quantized = Path(folder, "int8.onnx")
        quantize_dynamic(graph, quantized, op_types_to_quantize=["Gather"], weight_type=QuantType.QInt8)
        return onnx.load(quantized)


def weighted_layers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Return the MatMul, Gemm and Conv nodes whose weights are constants, in the order of the graph, by their names."""
    return {node.name: node for node, _ in _layers(model, ("MatMul", "Gemm", "Conv"))}


def matrix_layers(model: onnx.ModelProto) -> dict[str, int]:
    """Return the MatMul and Gemm nodes with constant weights: name -> rank of the weights, 3 for stacked matrices."""
    return {node.name: dimensions for node, dimensions in _layers(model, ("MatMul", "Gemm"))}


def _layers(model: onnx.ModelProto, operators: Collection[str]) -> Iterator[tuple[onnx.NodeProto, int]]:
    dimensions = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            dimensions[node.output[0]] = len(node.attribute[0].t.dims)
        elif node.op_type in operators and node.input[1] in dimensions:
            yield node, dimensions[node.input[1]]
