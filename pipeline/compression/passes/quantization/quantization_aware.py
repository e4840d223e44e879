"""Quantization-aware training: the network learns with rounded weights and activations, then becomes static int8.

Requires  what fine-tuning and static int8 require.
Does      fine-tunes with fake quantization in each layer; then calibrates and quantizes.
Ensures   what static int8 ensures, with finite weights.

Sources: Jacob et al. 2018 (arXiv:1712.05877), section 3; Bengio et al. 2013 (arXiv:1308.3432), for the gradient.
"""

from __future__ import annotations

import onnx

from pipeline.compression.fine_tuning.fake_quantization import FakeQuantizedGraph
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.static_int8 import StaticInt8

__all__ = ["QuantizationAwareTraining"]

_CONFIG = FineTuningConfig(learning_rate=3e-4)


class QuantizationAwareTraining(FineTune):
    """Fine-tune for integers, and quantize."""

    def __init__(self, context: PassContext, config: FineTuningConfig | None = None) -> None:
        super().__init__(context, config or _CONFIG)
        self._quantize = StaticInt8(context)

    def read_graph(self, model: onnx.ModelProto) -> TorchGraph:
        """Return the body with fake quantization in each layer."""
        return FakeQuantizedGraph(model.SerializeToString())

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: It cannot be quantized, or not be fine-tuned.
        """
        self._quantize.requires(model)
        super().requires(model)

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Fine-tune, calibrate and quantize."""
        trained = super().call(model)
        super().ensures(trained)
        return self._quantize.call(trained)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A weight is not finite, or no layer reads integers.
        """
        super().ensures(model)
        self._quantize.ensures(model)
