"""Half precision in storage: weights are rounded to 16 bits, and the graph still computes in float32.

Requires  float weights within the range of the type.
Does      rounds them; the stored file then needs two bytes for each.
Ensures   every weight is a value of the type: float16 (10 bits of mantissa) or bfloat16 (7 bits, the range of float32).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.weight_tensors import map_weights, read_weights
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["RoundWeights"]

_MAX = {"fp16": float(np.finfo(np.float16).max), "bf16": float(np.finfo(np.float32).max)}

Floats = npt.NDArray[np.float32]


class RoundWeights(GraphPass):
    """Round weights to a type of 16 bits; operators are not converted, so the speed is that of float32."""

    def __init__(self, precision: Literal["fp16", "bf16"] = "fp16") -> None:
        self._precision = precision

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: There are no weights, or one is beyond the range of the type.
        """
        tensors = read_weights(model)
        if not tensors:
            raise NotApplicableError("there are no float weights to round")
        largest = float(np.max([np.abs(weights).max() for weights in tensors]))  # NaN if one is NaN
        if not largest <= _MAX[self._precision]:
            raise NotApplicableError(f"a weight of {largest:.3g} is beyond the range of {self._precision}")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Round the weights."""
        return map_weights(model, self._round)

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A weight has more bits than the type.
        """
        tensors = read_weights(model)
        if not all(np.array_equal(weights, self._round(weights)) for weights in tensors):
            raise CompressionError(f"a weight is no {self._precision} value")

    def _round(self, weights: Floats) -> Floats:
        if self._precision == "fp16":
            return weights.astype(np.float16).astype(np.float32)
        return _round_to_bfloat16(weights)


def _round_to_bfloat16(weights: Floats) -> Floats:
    """Return the upper 16 bits of each float32, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(weights).view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)
