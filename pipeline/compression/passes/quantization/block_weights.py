"""Weight-only int4 and int8: matrices become blocks of small integers, each block with a scale; activations stay fp32.

Requires  MatMul or Gemm with constant weights of two dimensions and at least a block of rows.
Does      replaces MatMul by MatMulNBits.
Ensures   MatMulNBits is in the graph.

``accuracy_level=4`` lets onnxruntime multiply in int8: it then quantizes activations, too, in blocks within each row,
so that predictions do not depend on the other rows of a batch.
"""

from __future__ import annotations

import logging
from typing import Literal

import onnx

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.quantization.quantization_graph import matrix_layers, prepare_quantization
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.compose import normalize

__all__ = ["BlockWeights"]

_OPERATOR = "MatMulNBits"
_INT8_ARITHMETIC = 4
_BLOCK_SIZE = 32


class BlockWeights(GraphPass):
    """Keep weights as integers of ``bits``, in blocks along the inputs of a layer."""

    def __init__(self, bits: Literal[4, 8]) -> None:
        self._bits = bits

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: The model has no matrix with constant weights.
        """
        if 2 not in matrix_layers(model).values():
            raise NotApplicableError("there is no MatMul or Gemm with constant weights left to quantize")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Quantize the matrices."""
        from onnxruntime.quantization.matmul_nbits_quantizer import (  # noqa: PLC0415 - importing it configures logging
            MatMulNBitsQuantizer,
        )

        logging.getLogger(MatMulNBitsQuantizer.__module__).setLevel(logging.WARNING)
        quantizer = MatMulNBitsQuantizer(
            prepare_quantization(model),
            bits=self._bits,
            block_size=_BLOCK_SIZE,
            is_symmetric=True,
            accuracy_level=_INT8_ARITHMETIC,
        )
        quantizer.process()
        return normalize(quantizer.model.model)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: Nothing was quantized.
        """
        if not any(node.op_type == _OPERATOR for node in model.graph.node):
            raise CompressionError("the quantized graph has no matrix of small integers")
