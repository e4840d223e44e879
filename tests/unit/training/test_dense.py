"""The hand-written gradient of a dense network equals the gradient of autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.training.loop.dense import Dense, supports_manual_backward
from pipeline.training.networks.images import PixelMLP
from tests.fakes.networks import SMALL, small, task


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_manual_gradient_equals_the_gradient_of_the_cross_entropy(share: float) -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (9, 4, 5, 1), dtype=torch.uint8)
    target = torch.randint(0, 3, (9,))
    network = PixelMLP(image.numpy(), outputs=3, hidden=(7, 6), dropout=0.0)
    loss = nn.functional.cross_entropy(network(image), target) * share
    loss.backward()
    wanted = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
    network.zero_grad()
    torch.testing.assert_close(network.forward_backward(image, target, share), loss.detach())
    for parameter, gradient in zip(network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_network_of_one_layer_gets_manual_gradients() -> None:
    network = Dense([4, 2], 0.0)
    network.forward_backward(torch.ones(3, 4), torch.tensor([0, 1, 1]), 1.0)
    assert [parameter.grad is not None for parameter in network.parameters()] == [True, True]


@pytest.mark.parametrize(
    "changed",
    [{"label_smoothing": 0.1}, {"loss": "focal"}, {"mixup": 0.2}, {"precision": "bf16"}, {"dropout": 0.1},
     {"privacy_epsilon": 8.0}, {"parallel": "ddp"}, {"freeze": True}],
)  # fmt: skip
def test_other_settings_use_autograd(changed: dict[str, object]) -> None:
    assert supports_manual_backward(SMALL, task())
    assert not supports_manual_backward(small(**changed), task())


def test_regression_and_row_weights_use_autograd() -> None:
    assert not supports_manual_backward(SMALL, task(classes=0))
    training_task = task()
    weight = np.ones(len(training_task.train), np.float32)
    assert not supports_manual_backward(
        SMALL, replace(training_task, train=replace(training_task.train, weight=weight))
    )
