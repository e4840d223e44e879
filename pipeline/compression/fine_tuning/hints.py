"""Feature hints: a middle layer of the changed network learns the outputs that it had before the change.

Source: Romero et al. 2015, FitNets: Hints for Thin Deep Nets (arXiv:1412.6550). In the paper hints are the first stage
of training; here their loss is added to the loss of the predictions, since the network is already trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.contracts.errors import NotApplicableError

__all__ = ["FeatureHints"]

_LAYERS = ("Conv", "MatMul", "Gemm")
_MIN_VARIANCE = 1e-12

Inputs = Mapping[str, npt.NDArray[Any]]


class FeatureHints(nn.Module):
    """``forward(inputs, values)``: the mean squared error of a layer's outputs, in units of their variance.

    Attributes:
        name: Name of the layer's output in the graph.
        weight: Weight of the error in the loss.
    """

    def __init__(self, teacher: bytes, student: bytes, example: Inputs, *, weight: float) -> None:
        """Choose the layer: the middle one of those that both graphs have, without the last.

        Args:
            teacher: The body before it was changed.
            student: The body that is fine-tuned.
            example: Some rows, to find the shapes of the layer's outputs.
            weight: Weight of the error in the loss.

        Raises:
            NotApplicableError: There is no such layer, or its output shapes differ in more than the channels.
        """
        super().__init__()
        self._teacher = [TorchGraph(teacher)]  # in a list, so that its weights are no parameters of this module
        graph = TorchGraph(student)
        names = {node.output[0] for node in self._teacher[0].nodes}
        layers = [
            node
            for node in graph.nodes
            if node.op_type in _LAYERS and node.input[1] in graph.named_weights() and node.output[0] in names
        ][:-1]
        if not layers:
            raise NotApplicableError("feature hints need a layer between the inputs and the last layer")
        chosen = layers[len(layers) // 2]
        self.name, self.weight = chosen.output[0], weight
        with torch.no_grad():
            features, goals = (body.compute(example)[self.name] for body in (graph, self._teacher[0]))
        self._axis = 1 if chosen.op_type == "Conv" else features.ndim - 1
        shapes = [list(values.shape) for values in (features, goals)]
        channels, teacher_channels = (shape.pop(self._axis) for shape in shapes)
        if shapes[0] != shapes[1]:
            raise NotApplicableError(f"feature hints need a layer of one shape, and {self.name} has two")
        self.regressor = nn.Identity() if channels == teacher_channels else nn.Linear(channels, teacher_channels)
        self._variance = goals.var(unbiased=False).clamp_min(_MIN_VARIANCE)

    def forward(self, inputs: Inputs, values: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted error, a scalar.

        Args:
            inputs: Inputs of the rows.
            values: All values that the student computes for these inputs (TorchGraph.compute).
        """
        with torch.no_grad():
            goals = self._teacher[0].compute(inputs)[self.name].movedim(self._axis, -1)
        difference = self.regressor(values[self.name].movedim(self._axis, -1)) - goals
        error: Tensor = difference.square().mean() / self._variance
        return self.weight * error
