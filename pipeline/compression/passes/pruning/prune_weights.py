"""Unstructured pruning: most weights become zero gradually, while the others learn to compensate for them.

Requires  what fine-tuning requires.
Does      prunes by magnitude (global or in each layer), at random, or by Taylor or movement importance; the share of
          zeros grows on a cubic schedule.
Ensures   the share of zeros; no mask is left in the graph.

Sources: Zhu and Gupta 2017 (arXiv:1710.01878), Molchanov et al. 2019 (arXiv:1906.10771), Sanh et al. 2020
(arXiv:2005.07683). Zeros make the stored file smaller, and no multiplication faster: onnxruntime has dense kernels.
"""

from __future__ import annotations

import numpy as np
import onnx

from pipeline.compression.fine_tuning.constraints import Constraint, GradualPruning, Importance, Weights
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import CompressionError

__all__ = ["PruneWeights"]

_CONFIG = FineTuningConfig(epochs=12, batch_size=64)  # pruning takes 60 % of it, and needs many small steps
_TOLERANCE = 0.02  # tolerance of the share of zeros: scores may be equal, and small tensors are not pruned


class PruneWeights(FineTune):
    """Prune ``sparsity`` of the weights by their ``importance``."""

    def __init__(
        self,
        context: PassContext,
        *,
        sparsity: float,
        importance: Importance = "magnitude",
        config: FineTuningConfig | None = None,
    ) -> None:
        super().__init__(context, config or _CONFIG)
        self._sparsity, self._importance = sparsity, importance

    def constrain(self, weights: Weights) -> Constraint:
        """Return the gradual pruning."""
        return GradualPruning(weights, sparsity=self._sparsity, importance=self._importance, seed=self._context.seed)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: Fewer weights are zero than promised, or a weight is not finite.
        """
        super().ensures(model)
        weights = [tensor for tensor in read_weights(model) if tensor.ndim > 1]
        zeros = sum(int(np.sum(tensor == 0)) for tensor in weights) / sum(tensor.size for tensor in weights)
        if zeros < self._sparsity - _TOLERANCE:
            raise CompressionError(f"{zeros:.1%} of the weights are zero, {self._sparsity:.1%} are expected")
