"""Weight sharing with fine-tuning: each weight becomes one of a few values, which continue to learn.

Requires  what fine-tuning requires.
Does      k-means over the weights of each tensor; then each value learns from the mean gradient of its weights. Zeros
          stay zeros.
Ensures   no matrix has more values than the codebook.

Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3.
"""

from __future__ import annotations

import numpy as np
import onnx

from pipeline.compression.fine_tuning.constraints import Constraint, SharedValues, Weights, value_counts
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import CompressionError

__all__ = ["ShareTunedWeights"]

_CONFIG = FineTuningConfig(epochs=3, batch_size=64)


class ShareTunedWeights(FineTune):
    """Share at most ``2 ** bits`` values among the weights of a tensor, more in small tensors; the values learn."""

    def __init__(self, context: PassContext, *, bits: int, config: FineTuningConfig | None = None) -> None:
        super().__init__(context, config or _CONFIG)
        self._bits = bits

    def constrain(self, weights: Weights) -> Constraint:
        """Return the constraint that shares values."""
        return SharedValues(weights, bits=self._bits)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A matrix has more values, or a weight is not finite.
        """
        super().ensures(model)
        weights = [tensor for tensor in read_weights(model) if tensor.ndim > 1]
        counts = value_counts({str(index): tensor.size for index, tensor in enumerate(weights)}, self._bits)
        for tensor, count in zip(weights, counts.values(), strict=True):
            if (distinct := len(np.unique(tensor))) > count:
                raise CompressionError(
                    f"a tensor of {tensor.size:,} weights has {distinct} values, at most {count} are expected"
                )
