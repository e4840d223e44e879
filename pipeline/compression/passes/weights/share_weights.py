"""Weight sharing: each weight is rounded to one of a few values, and the stored file holds indices into a codebook.

Requires  float weights: matrices, convolutions, embeddings, or the leaves of trees.
Does      k-means over the weights of each tensor; zeros stay zeros.
Ensures   no tensor has more values than the codebook.

Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.weight_tensors import map_weights, read_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.codebooks import share_weights

__all__ = ["ShareWeights"]

Floats = npt.NDArray[np.float32]


class ShareWeights(GraphPass):
    """Share at most ``2 ** bits`` values among the weights of a tensor, without fine-tuning."""

    def __init__(self, bits: int) -> None:
        self._values = 2**bits

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no float weights.
        """
        if not read_weights(model):
            raise NotApplicableError("there are no float weights to share")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Share the weights."""
        return map_weights(model, lambda weights: share_weights(weights, self._values))

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A tensor has more values than promised.
        """
        if any(len(np.unique(weights)) > self._values for weights in read_weights(model)):
            raise CompressionError(f"a tensor has more than {self._values} values")
