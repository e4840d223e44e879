"""Dynamic int8: weights become 8-bit integers now, activations while the model runs; no calibration rows are needed.

Requires  a body whose MatMul/Gemm weights are constants.
Does      shape inference and folding, then MatMulInteger in place of MatMul, and embeddings kept as bytes.
Ensures   integer operators are in the graph, and it is well formed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.shape_inference import quant_pre_process

from pipeline.compression.passes import GraphPass, PassResult
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.compose import normalize

__all__ = ["INT8_CONFIGS", "INTEGER_OPERATORS", "Int8Config", "QuantizeInt8"]

INTEGER_OPERATORS = frozenset({"MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QLinearMatMul"})
_WEIGHTED = ("MatMul", "Gemm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Int8Config:
    """``exact_first``, ``exact_last``: that layer stays fp32. ``per_channel``: each output of a layer has a scale."""

    embeddings: bool = True
    per_channel: bool = False
    exact_first: bool = False
    exact_last: bool = False

    def __str__(self) -> str:
        exact = {"embeddings": not self.embeddings, "the first layer": self.exact_first, "the last": self.exact_last}
        kept = [part for part, is_exact in exact.items() if is_exact]
        return f"kept in fp32: {', '.join(kept)}" if kept else ""


# From the smallest file to the most exact one; the first that keeps its gates is taken. The layer that reads the
# columns loses most, since one scale serves columns of all ranges.
INT8_CONFIGS = (
    Int8Config(),
    Int8Config(per_channel=True, exact_first=True),
    Int8Config(per_channel=True, exact_first=True, exact_last=True, embeddings=False),
)


class QuantizeInt8(GraphPass):
    """Weights have 7 bits (``reduce_range``): sums of two products of 8 bits overflow on CPUs without VNNI.

    Which CPU a Lambda gets cannot be chosen; with 7 bits the answers are the same on each.
    """

    def __init__(self, recipe: Int8Config) -> None:
        self._recipe = recipe

    def requires(self, model: bytes) -> None:
        graph = onnx.load_from_string(model)
        if self._exact(graph) >= _layers(graph).keys():
            raise NotApplicableError("there is no MatMul or Gemm with constant weights left to quantize")

    def call(self, model: bytes) -> PassResult:
        with tempfile.TemporaryDirectory() as folder:
            given, folded, quantized = (Path(folder, name) for name in ("given.onnx", "folded.onnx", "int8.onnx"))
            given.write_bytes(model)  # handed over in memory, the graph would come back without its weights
            quant_pre_process(given, folded, skip_symbolic_shape=True)
            graph = normalize(onnx.load(folded))  # the quantizer does not take a graph of two domains
            # The quantizer transposes Gemm's weights, and trips over their shapes where torch wrote them down.
            del graph.graph.value_info[:]
            ONNXModel(graph).replace_gemm_with_matmul()
            quantize_dynamic(
                graph,
                quantized,
                op_types_to_quantize=["MatMul", *(["Gather"] if self._recipe.embeddings else [])],
                per_channel=self._recipe.per_channel and not self._is_stacked(graph),
                reduce_range=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(self._exact(graph)),
            )
            return PassResult(model=quantized.read_bytes(), modified=True)

    def ensures(self, model: bytes) -> None:
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph)
        if not INTEGER_OPERATORS & {node.op_type for node in graph.graph.node}:
            raise CompressionError("the quantized graph has no integer operator")

    def _exact(self, model: onnx.ModelProto) -> set[str]:
        """The layers that stay fp32."""
        names, first, last = list(_layers(model)), int(self._recipe.exact_first), int(self._recipe.exact_last)
        return {*names[:first], *names[max(first, len(names) - last) :]}

    def _is_stacked(self, model: onnx.ModelProto) -> bool:
        """Whether a layer is a stack of matrices: onnxruntime multiplies none that has a scale for each output."""
        exact = self._exact(model)
        return any(dimensions > 2 for name, dimensions in _layers(model).items() if name not in exact)


def _layers(model: onnx.ModelProto) -> dict[str, int]:
    """The MatMul and Gemm nodes whose weights are constants, in the order of the graph: name -> their dimensions."""
    constants = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    values = [(node.output[0], node.attribute[0].t.dims) for node in model.graph.node if node.op_type == "Constant"]
    constants |= {name: len(dims) for name, dims in values}
    weighted = (node for node in model.graph.node if node.op_type in _WEIGHTED)
    return {node.name: constants[node.input[1]] for node in weighted if node.input[1] in constants}
