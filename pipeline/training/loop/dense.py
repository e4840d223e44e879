"""Layers of ReLUs whose gradient is written out.

Of a small network on one thread autograd, which finds the gradient of anything, takes longer than the arithmetic that
it finds. So the plainest case has it written down: dense layers, cross-entropy, nothing else that looks into a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.training.algorithm import Problem, Settings

__all__ = ["Dense", "cross_entropies", "supports_manual_backward"]

_EACH, _NO_CLASS = 0, -100  # no reduction, and the target that counts for nothing, as torch numbers them
_PLAIN = {
    "label_smoothing": 0.0, "mixup": 0.0, "precision": "fp32", "privacy_epsilon": 0.0, "parallel": "none",
    "freeze": False, "dropout": 0.0,
}  # fmt: skip


class Dense(nn.Module):
    """``forward(given)``: [batch, from] -> [batch, outputs], a ReLU and dropout behind each layer but the last."""

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        """``widths``: of the input, of each hidden layer, and of the answer."""
        super().__init__()
        self.dense = nn.ModuleList(nn.Linear(one, next_one) for one, next_one in pairwise(widths))
        self.dropout = nn.Dropout(dropout)

    def forward(self, given: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            given = self.dropout(layer(given).relu())
        answer: Tensor = last(given)
        return answer

    @property
    def layers(self) -> list[nn.Linear]:
        """In their order."""
        return [layer for layer in self.dense if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def learn(self, given: Tensor, target: Tensor, share: float) -> Tensor:
        """Leave the gradient of the mean cross-entropy, times ``share``, with the weights; that loss.

        As autograd would, where the training supports_manual_backward.
        """
        layers, found = self.layers, [given]
        for layer in layers:
            answer = torch.addmm(layer.bias, found[-1], layer.weight.t())
            found.append(answer if layer is layers[-1] else answer.relu_())
        losses, gradient = cross_entropies(found.pop(), target, each=share / len(target))
        for layer in reversed(layers):
            reads = found.pop()
            layer.weight.grad, layer.bias.grad = gradient.t() @ reads, gradient.sum(0)
            if layer is not layers[0]:
                gradient = torch.ops.aten.threshold_backward(gradient @ layer.weight, reads, 0)
        return losses.sum() * (share / len(target))


def supports_manual_backward(settings: Settings, problem: Problem) -> bool:
    """Whether a Dense learns nothing but cross-entropy, of rows that weigh the same."""
    plain = all(settings[name] == value for name, value in _PLAIN.items())
    entropy = problem.classes > 0 and settings["loss"] in (None, "cross_entropy")
    return plain and entropy and problem.train.weight is None


def cross_entropies(answers: Tensor, target: Tensor, *, each: float) -> tuple[Tensor, Tensor]:
    """The loss [rows] of logits [rows, classes], and the gradient by them of their sum times ``each``."""
    logs = answers.log_softmax(1)
    losses, counted = torch.ops.aten.nll_loss_forward(logs, target, None, _EACH, _NO_CLASS)
    share = torch.full_like(losses, each)
    by_logs = torch.ops.aten.nll_loss_backward(share, logs, target, None, _EACH, _NO_CLASS, counted)
    return losses, torch.ops.aten._log_softmax_backward_data(by_logs, logs, 1, logs.dtype)
