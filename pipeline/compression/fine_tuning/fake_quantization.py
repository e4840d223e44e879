"""Layers that compute in float32 with values rounded as integers would be, so that weights adapt to the rounding.

Rounding has no useful gradient: the straight-through estimator uses the gradient of the identity within the range
(Bengio et al. 2013, arXiv:1308.3432), as torch's fake-quantize functions do.
"""

from __future__ import annotations

from typing import Any

import onnx
import torch
from torch import Tensor, nn

from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.graphs.compose import attributes_of

__all__ = ["FakeQuantizedGraph"]

_LAYERS = ("Conv", "MatMul", "Gemm")
_MAX_WEIGHT = 64  # 7 bits, as in passes.quantization.integer_layers
_MAX_ACTIVATION = 255
_MIN_SCALE = 1e-20
_MOMENTUM = 0.01  # weight of a batch in the moving average of an activation's range


class FakeQuantizedGraph(TorchGraph):
    """A body whose layers read weights of 7 bits and activations of 8.

    Weights have one scale per output channel, from its largest absolute value. The range of activations is an
    exponential moving average of the smallest and largest values of the batches.

    References:
        Jacob et al. 2018, Quantization and training of neural networks for efficient integer-arithmetic-only inference
        (arXiv:1712.05877), section 3.
    """

    def __init__(self, model: bytes) -> None:
        """Read a serialized body; raise NotApplicableError as TorchGraph does."""
        super().__init__(model)
        self._index = {
            node.output[0]: index for index, node in enumerate(node for node in self.nodes if self._is_layer(node))
        }
        self.ranges = nn.Buffer(torch.full((len(self._index), 2), float("nan")))

    def prepare_inputs(self, node: onnx.NodeProto, values: list[Any]) -> list[Any]:
        """Return the activations and weights of a layer, rounded as integers would be."""
        index = self._index.get(node.output[0])
        if index is None:
            return values
        activations, weights, *bias = values
        if self.training:
            self._observe(index, activations.detach())
        return [self._round_activations(index, activations), _round_weights(node, weights), *bias]

    def _is_layer(self, node: onnx.NodeProto) -> bool:
        return node.op_type in _LAYERS and node.input[1] in self.named_weights()

    @torch.no_grad()
    def _observe(self, index: int, activations: Tensor) -> None:
        """Move the range towards that of a batch; the first batch sets the range."""
        bounds = torch.stack([activations.min().clamp_max(0), activations.max().clamp_min(0)])
        average = self.ranges[index]
        self.ranges[index] = torch.where(average.isnan(), bounds, average + _MOMENTUM * (bounds - average))

    def _round_activations(self, index: int, activations: Tensor) -> Tensor:
        low, high = self.ranges[index].tolist()
        scale = max((high - low) / _MAX_ACTIVATION, _MIN_SCALE)
        zero_point = min(_MAX_ACTIVATION, max(0, round(-low / scale)))
        return torch.fake_quantize_per_tensor_affine(activations, scale, zero_point, 0, _MAX_ACTIVATION)


def _round_weights(node: onnx.NodeProto, weights: Tensor) -> Tensor:
    if weights.ndim == 3:  # a stack of matrices has one scale
        scale = max(float(weights.detach().abs().max()) / _MAX_WEIGHT, _MIN_SCALE)
        return torch.fake_quantize_per_tensor_affine(weights, scale, 0, -_MAX_WEIGHT, _MAX_WEIGHT)
    axis = 0 if node.op_type == "Conv" or attributes_of(node).get("transB") else weights.ndim - 1
    reduced = [index for index in range(weights.ndim) if index != axis]
    scales = (weights.detach().abs().amax(dim=reduced) / _MAX_WEIGHT).clamp_min(_MIN_SCALE)
    zero_points = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weights, scales, zero_points, axis, -_MAX_WEIGHT, _MAX_WEIGHT)
