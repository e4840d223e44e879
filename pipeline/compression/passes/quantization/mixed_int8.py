"""Mixed precision: static int8, except for the layers that measurably lose most quality in integers.

Requires  what static int8 requires, and more than one layer.
Does      quantizes each layer alone and compares the predictions with those of the float network; the most sensitive
          layers stay fp32.
Ensures   what static int8 ensures.

Source: the sensitivity analysis of Wu et al. 2020, Integer quantization for deep learning inference
(arXiv:2004.09602), section 6.1: one layer is quantized at a time, and the most sensitive stay in float.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnxruntime.quantization import TensorsData

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.integer_layers import quantize_layers
from pipeline.compression.passes.quantization.quantization_graph import weighted_layers
from pipeline.compression.passes.quantization.static_int8 import StaticInt8
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError

__all__ = ["MixedInt8", "measure_sensitivity"]

_ROWS = 256


class MixedInt8(StaticInt8):
    """Keep the fraction ``exact`` of the layers in fp32, at least one layer: those that are most sensitive."""

    def __init__(self, context: PassContext, *, exact: float) -> None:
        super().__init__(context)
        self._exact = exact

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: Static int8 does not apply, or there is only one layer.
        """
        super().requires(model)
        if len(weighted_layers(model)) < 2:
            raise NotApplicableError("mixed precision needs two layers at least")

    def choose_layers(self, graph: onnx.ModelProto, ranges: TensorsData, rows: TrainingRows) -> Sequence[str]:
        """Return the least sensitive layers."""
        layers = super().choose_layers(graph, ranges, rows)
        if len(layers) < 2:
            return layers
        sensitivity = measure_sensitivity(graph, ranges, rows, layers)
        integers = min(len(layers) - 1, len(layers) - math.ceil(self._exact * len(layers)))
        return sorted(layers, key=lambda name: sensitivity[name])[: max(1, integers)]


def measure_sensitivity(
    graph: onnx.ModelProto, ranges: TensorsData, rows: TrainingRows, layers: Sequence[str]
) -> dict[str, float]:
    """Return, for each of ``layers``, the mean absolute change of the predictions if only that layer is quantized."""
    sample = rows.sample(_ROWS)
    expected = predict(graph.SerializeToString(), sample)
    quantized = ((name, quantize_layers(graph, ranges, [name]).SerializeToString()) for name in layers)
    return {name: float(np.abs(predict(file, sample) - expected).mean()) for name, file in quantized}
