"""Dense layers with ReLUs, whose backward pass is written by hand.

For a small network on one thread, autograd takes longer than the arithmetic of the gradient. The manual backward pass
covers the simplest case: dense layers, cross-entropy, and no setting that changes a training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import TrainingTask

__all__ = ["Dense", "cross_entropies", "supports_manual_backward"]

_NO_REDUCTION, _IGNORE_INDEX = 0, -100  # Reduction.NONE and the default ignore_index of torch's nll_loss
_REQUIRED_SETTINGS = {
    "label_smoothing": 0.0, "mixup": 0.0, "precision": "fp32", "privacy_epsilon": 0.0, "parallel": "none",
    "freeze": False, "dropout": 0.0,
}  # fmt: skip


class Dense(nn.Module):
    """A multilayer perceptron with ReLU and dropout after each layer but the last.

    Args:
        widths: Widths of the input, of each hidden layer, and of the output.
        dropout: Probability that a hidden unit is dropped in training.

    Shapes:
        ``forward``: [batch, widths[0]] -> [batch, widths[-1]].
    """

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.dense = nn.ModuleList(nn.Linear(width, next_width) for width, next_width in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the last layer [batch, outputs]."""
        *hidden, last = self.layers
        for layer in hidden:
            inputs = self.dropout(layer(inputs).relu())
        outputs: Tensor = last(inputs)
        return outputs

    @property
    def layers(self) -> list[nn.Linear]:
        """Return the linear layers, in their order."""
        return [layer for layer in self.dense if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def forward_backward(self, inputs: Tensor, target: Tensor, loss_scale: float) -> Tensor:
        """Set ``grad`` of the weights to the gradient of the mean cross-entropy, as autograd would.

        Args:
            inputs: Inputs [batch, widths[0]].
            target: Class numbers [batch].
            loss_scale: Factor of the loss and its gradient.

        Returns:
            The mean cross-entropy times ``loss_scale`` [].
        """
        layers, activations = self.layers, [inputs]
        for layer in layers:
            outputs = torch.addmm(layer.bias, activations[-1], layer.weight.t())
            activations.append(outputs if layer is layers[-1] else outputs.relu_())
        losses, gradient = cross_entropies(activations.pop(), target, row_weight=loss_scale / len(target))
        for layer in reversed(layers):
            activation = activations.pop()
            layer.weight.grad, layer.bias.grad = gradient.t() @ activation, gradient.sum(0)
            if layer is not layers[0]:
                gradient = torch.ops.aten.threshold_backward(gradient @ layer.weight, activation, 0)
        return losses.sum() * (loss_scale / len(target))


def supports_manual_backward(config: NetworkConfig, task: TrainingTask) -> bool:
    """Return whether ``forward_backward`` applies: plain cross-entropy, equal row weights, no other setting."""
    has_plain_settings = config.model_dump(include=set(_REQUIRED_SETTINGS)) == _REQUIRED_SETTINGS
    is_cross_entropy = task.classes > 0 and config.loss in (None, "cross_entropy")
    return has_plain_settings and is_cross_entropy and task.train.weight is None


def cross_entropies(logits: Tensor, target: Tensor, *, row_weight: float) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of each row, and the gradient of their weighted sum by the logits.

    Args:
        logits: Logits [rows, classes].
        target: Class numbers [rows].
        row_weight: Weight of each row in the sum.

    Returns:
        The unweighted losses [rows], and the gradient [rows, classes].
    """
    log_probabilities = logits.log_softmax(1)
    losses, total_weight = torch.ops.aten.nll_loss_forward(
        log_probabilities, target, None, _NO_REDUCTION, _IGNORE_INDEX
    )
    weights = torch.full_like(losses, row_weight)
    gradient = torch.ops.aten.nll_loss_backward(
        weights, log_probabilities, target, None, _NO_REDUCTION, _IGNORE_INDEX, total_weight
    )
    return losses, torch.ops.aten._log_softmax_backward_data(gradient, log_probabilities, 1, log_probabilities.dtype)
