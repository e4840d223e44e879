"""Structured pruning: channels of convolutions and neurons of layers are removed, and the rest is fine-tuned.

Requires  what fine-tuning requires, and layers whose channels no other operator fixes.
Does      removes the channels with the least Taylor importance, a fraction of each group that can only be pruned
          together; the number that remains is a multiple of eight; then fine-tunes.
Ensures   the same inputs and outputs, and fewer weights.

Sources: Molchanov et al. 2019 (arXiv:1906.10771), Fang et al. 2023 (arXiv:2301.12900). Fewer channels are faster, but
only in steps of eight.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.channel_groups import ChannelGroup, find_channel_groups, keep_channels
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.training_rows import predict
from pipeline.contracts.errors import NotApplicableError

__all__ = ["PruneChannels"]

_ROUND_TO = 8
_IMPORTANCE_ROWS = 1024
_BATCH_ROWS = 128

Floats = npt.NDArray[np.float64]


class PruneChannels(FineTune):
    """Remove the fraction ``ratio`` of the channels and neurons of each group."""

    def __init__(self, context: PassContext, *, ratio: float, config: FineTuningConfig | None = None) -> None:
        super().__init__(context, config)
        self._ratio = ratio

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: No channel can be pruned, or the model cannot be fine-tuned.
        """
        if not any(self._count(group) < group.size for group in find_channel_groups(model)):
            raise NotApplicableError("there are no channels or neurons that could be pruned")
        super().requires(model)

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Prune, then fine-tune."""
        groups = find_channel_groups(model)
        importance = self._importance(model)
        for group in groups:
            scores = np.zeros(group.size)
            for axis in group.axes:
                if axis.tensor in importance:
                    scores += _score_channels(importance[axis.tensor], group, axis.axis)
            indices = np.sort(np.argsort(-scores, kind="stable")[: self._count(group)])
            keep_channels(model, group, indices)
        return super().call(model)

    def _count(self, group: ChannelGroup) -> int:
        """Return the number of channels that are kept."""
        count = math.ceil((1 - self._ratio) * group.size / _ROUND_TO) * _ROUND_TO
        return min(group.size, max(_ROUND_TO, count))

    def _importance(self, model: onnx.ModelProto) -> dict[str, Floats]:
        """Map each initializer to the squared first-order change of the loss for each of its entries."""
        context = self._context
        rows = context.rows.sample(_IMPORTANCE_ROWS, context.seed)
        objective = Objective.of(predict(context.teacher, rows), rows, several_labels=context.several_labels)
        graph = TorchGraph(model.SerializeToString())
        weights = graph.named_weights()
        importance = {name: np.zeros(tuple(tensor.shape)) for name, tensor in weights.items()}
        for start in range(0, len(rows), _BATCH_ROWS):
            indices = np.arange(start, min(start + _BATCH_ROWS, len(rows)))
            graph.zero_grad()
            objective.loss(graph(rows.read(graph.inputs, indices)), indices).backward()  # type: ignore[no-untyped-call]
            for name, tensor in weights.items():
                if tensor.grad is not None:
                    importance[name] += (tensor.detach() * tensor.grad).double().square().numpy()
        return importance


def _score_channels(importance: Floats, group: ChannelGroup, axis: int) -> Floats:
    """Return the sum over the entries of each channel [channels]."""
    scores: Floats = np.moveaxis(importance, axis, 0).reshape(group.size, -1).sum(axis=1)
    return scores
