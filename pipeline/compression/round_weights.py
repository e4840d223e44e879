"""Half precision in storage: weights take the nearest float16 value, and the graph computes in float32 as before.

Requires  float weights within float16's range.
Does      rounds them; the stored file then needs two bytes for each.
Ensures   every weight is a float16 value.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes import GraphPass, PassResult
from pipeline.compression.weight_tensors import map_weights, read_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["RoundWeights"]

_MAX_FLOAT16 = float(np.finfo(np.float16).max)

Floats = npt.NDArray[np.float32]


class RoundWeights(GraphPass):
    """Round weights to float16; no operator is converted, so that the speed is that of float32."""

    def requires(self, model: bytes) -> None:
        tensors = read_weights(onnx.load_from_string(model))
        if not tensors:
            raise NotApplicableError("there are no float weights to round")
        largest = float(np.max([np.abs(weights).max() for weights in tensors]))  # NaN where one is
        if not largest <= _MAX_FLOAT16:
            raise NotApplicableError(f"a weight of {largest:.3g} is beyond float16's range")

    def call(self, model: bytes) -> PassResult:
        rounded = map_weights(onnx.load_from_string(model), _rounded)
        return PassResult(model=bytes(rounded.SerializeToString()), modified=True)

    def ensures(self, model: bytes) -> None:
        tensors = read_weights(onnx.load_from_string(model))
        if not all(np.array_equal(weights, _rounded(weights)) for weights in tensors):
            raise CompressionError("a weight is no float16 value")


def _rounded(weights: Floats) -> Floats:
    return weights.astype(np.float16).astype(np.float32)
