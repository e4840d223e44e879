"""Static int8: weights and activations become 8-bit integers, with scales that are fixed before the model runs.

Requires  MatMul, Gemm or Conv with constant weights, and training rows to calibrate on.
Does      the smallest and the largest activation of each layer on the rows (MinMax) become its scale; QuantizeLinear
          and DequantizeLinear stand around each layer, and onnxruntime makes integer operators of them. Embeddings
          become bytes.
Ensures   each of these layers reads integers, and the graph is well formed.

A row's predictions do not depend on the other rows of its batch, as they do with dynamic scales. Only operators that
are named are quantized: Add or Softmax alone would cost points of accuracy.
Source: Jacob et al. 2018, Quantization and training of neural networks (arXiv:1712.05877).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

from pipeline.compression.passes.graph_pass import GraphPass, PassResult
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.quantization_graph import (
    matrix_layers,
    prepare_quantization,
    quantize_embeddings,
    weighted_layers,
)
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["STATIC_CONFIGS", "StaticInt8", "StaticInt8Config"]

_MAX_ROWS = 512
_ROWS_PER_CALL = 64
_OPERATORS = ("Conv", "MatMul", "Gemm")
_PASSING = ("Relu", "MaxPool", "Reshape", "Flatten")  # in integers too, so that a chain of layers stays in integers


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticInt8Config:
    """Which layers stay fp32.

    Attributes:
        exact_first: The layer that reads the inputs: one scale serves columns of all ranges.
        exact_last: The layer that the predictions come from.
    """

    exact_first: bool = False
    exact_last: bool = False

    def __str__(self) -> str:
        exact = {"the first layer": self.exact_first, "the last": self.exact_last}
        kept = [layer for layer, is_exact in exact.items() if is_exact]
        return f"static scales, kept in fp32: {', '.join(kept)}" if kept else "static scales"


STATIC_CONFIGS = (
    StaticInt8Config(),
    StaticInt8Config(exact_last=True),
    StaticInt8Config(exact_first=True, exact_last=True),
)


class StaticInt8(GraphPass):
    """Weights have 7 bits (``reduce_range``) and a scale for each output channel.

    Sums of two products of 8 bits would overflow on CPUs without VNNI; with 7 bits predictions are the same on each.
    """

    def __init__(self, context: PassContext, config: StaticInt8Config | None = None) -> None:
        self._context = context
        self._config = config or StaticInt8Config()

    def requires(self, model: bytes) -> None:
        """Raise NotApplicableError where no layer is left to quantize, or there is no row to calibrate on."""
        if not self._layers(onnx.load_from_string(model)):
            raise NotApplicableError("there is no MatMul, Gemm or Conv with constant weights left to quantize")
        if not len(self._read_rows(model)):
            raise NotApplicableError("there are no training rows to calibrate on that are predicted as finite numbers")

    def call(self, model: bytes) -> PassResult:
        """Calibrate and quantize."""
        graph = prepare_quantization(model)
        layers = set(self._layers(graph))
        is_stacked = any(matrix_layers(graph).get(name) == 3 for name in layers)
        rows = self._read_rows(model)
        names = [value.name for value in graph.graph.input]
        graph = quantize_embeddings(graph)
        with tempfile.TemporaryDirectory() as folder:
            quantized = Path(folder, "int8.onnx")
            quantize_static(
                graph,
                quantized,
                _Reader(rows.read(names, slice(None))),
                op_types_to_quantize=[*_OPERATORS, *_PASSING],
                nodes_to_exclude=sorted(weighted_layers(graph).keys() - layers),
                per_channel=not is_stacked,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
            return PassResult(model=quantized.read_bytes(), modified=True)

    def ensures(self, model: bytes) -> None:
        """Raise CompressionError where no layer reads integers."""
        graph = onnx.load_from_string(model)
        onnx.checker.check_model(graph)
        restored = {node.output[0] for node in graph.graph.node if node.op_type == "DequantizeLinear"}
        layers = [node for node in graph.graph.node if node.op_type in _OPERATORS]
        if not any(restored.issuperset(node.input[:2]) for node in layers):
            raise CompressionError("the quantized graph has no layer that reads integers")

    def _read_rows(self, model: bytes) -> TrainingRows:
        """Some rows whose predictions are finite: a NaN would become every scale."""
        rows = self._context.rows.sample(_MAX_ROWS, self._context.seed)
        if not len(rows):
            return rows
        finite = np.isfinite(predict(model, rows)).reshape(len(rows), -1).all(axis=1)
        return rows.take(np.flatnonzero(finite))

    def _layers(self, model: onnx.ModelProto) -> list[str]:
        names = list(weighted_layers(model))
        first, last = int(self._config.exact_first), int(self._config.exact_last)
        return names[first : len(names) - last]


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Batches of the rows, for onnxruntime."""

    def __init__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        count = len(next(iter(inputs.values())))
        self._batches = iter(
            [
                {name: values[start : start + _ROWS_PER_CALL] for name, values in inputs.items()}
                for start in range(0, count, _ROWS_PER_CALL)
            ]
        )

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the next batch; None after the last."""
        return next(self._batches, None)
