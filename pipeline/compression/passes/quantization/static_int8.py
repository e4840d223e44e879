"""Static int8: weights and activations become 8-bit integers, with scales that are fixed before the model runs.

Requires  MatMul, Gemm or Conv with constant weights, and training rows to calibrate on.
Does      sets the scale of each layer's activations by their range on the rows; puts QuantizeLinear and
          DequantizeLinear around each layer, which onnxruntime fuses into integer operators. Embeddings become bytes.
Ensures   a layer reads integers, and the graph is well formed.

A row's predictions do not depend on the other rows of its batch, as they do with dynamic scales. Only the operators in
CALIBRATED_OPERATORS are quantized: quantizing Add or Softmax would cost points of accuracy.
Source: Jacob et al. 2018, Quantization and training of neural networks (arXiv:1712.05877).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from onnxruntime.quantization import TensorsData

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.calibration import Calibration, calibrate, sample_calibration_rows
from pipeline.compression.passes.quantization.integer_layers import count_integer_layers, quantize_layers
from pipeline.compression.passes.quantization.quantization_graph import (
    prepare_quantization,
    quantize_embeddings,
    weighted_layers,
)
from pipeline.compression.training_rows import TrainingRows
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["STATIC_CONFIGS", "StaticInt8", "StaticInt8Config"]

_DESCRIPTIONS: dict[Calibration, str] = {
    "min_max": "static scales",
    "percentile": "static scales of percentiles",
    "entropy": "static scales by entropy",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticInt8Config:
    """How scales are computed, and which layers stay fp32.

    Attributes:
        calibration: How the range of an activation is chosen (calibration.calibrate).
        exact_first: Whether the layer that reads the inputs stays fp32: one scale would serve columns of all ranges.
        exact_last: Whether the layer that computes the predictions stays fp32.
    """

    calibration: Calibration = "min_max"
    exact_first: bool = False
    exact_last: bool = False

    def __str__(self) -> str:
        scales = _DESCRIPTIONS[self.calibration]
        exact = {"the first layer": self.exact_first, "the last": self.exact_last}
        layers = [layer for layer, is_exact in exact.items() if is_exact]
        return f"{scales}, kept in fp32: {', '.join(layers)}" if layers else scales


STATIC_CONFIGS = (
    StaticInt8Config(),
    StaticInt8Config(exact_last=True),
    StaticInt8Config(exact_first=True, exact_last=True),
)


class StaticInt8(GraphPass):
    """Quantize weights to 7 bits (``reduce_range``), with a scale for each output channel.

    Sums of two products of 8 bits would overflow on CPUs without VNNI; with 7 bits predictions are equal on all CPUs.
    """

    def __init__(self, context: PassContext, config: StaticInt8Config | None = None) -> None:
        self._context = context
        self._config = config or StaticInt8Config()

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: No layer is left to quantize, or there is no row to calibrate on.
        """
        if not self._candidates(model):
            raise NotApplicableError("there is no MatMul, Gemm or Conv with constant weights left to quantize")
        if not len(sample_calibration_rows(self._context, model)):
            raise NotApplicableError("there are no training rows to calibrate on that are predicted as finite numbers")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Calibrate and quantize."""
        rows = sample_calibration_rows(self._context, model)
        graph = quantize_embeddings(prepare_quantization(model))
        ranges = calibrate(graph, rows, self._config.calibration)
        return quantize_layers(graph, ranges, self.choose_layers(graph, ranges, rows))

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: No layer reads integers.
        """
        onnx.checker.check_model(model)
        if not count_integer_layers(model):
            raise CompressionError("the quantized graph has no layer that reads integers")

    def choose_layers(self, graph: onnx.ModelProto, ranges: TensorsData, rows: TrainingRows) -> Sequence[str]:
        """Return the names of the layers that become integers.

        Args:
            graph: The body, from prepare_quantization.
            ranges: Ranges of the activations.
            rows: The calibration rows.
        """
        return self._candidates(graph)

    def _candidates(self, model: onnx.ModelProto) -> list[str]:
        names = list(weighted_layers(model))
        first, last = int(self._config.exact_first), int(self._config.exact_last)
        return names[first : len(names) - last]
