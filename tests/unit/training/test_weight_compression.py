"""A network is pruned, and its weights are shared, while it trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.optim.weight_compression import WeightCompression
from tests.fakes.networks import learn, task

_CONFIG = NetworkConfig(epochs=10)


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 10))


def _zeros(network: nn.Module) -> float:
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    return float(sum((parameter == 0).sum() for parameter in weights) / sum(parameter.numel() for parameter in weights))


def _noise(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)


def test_the_fraction_of_zeros_grows_to_the_sparsity_and_never_shrinks() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"sparsity": 0.9}))
    fractions = []
    for step in range(100):
        _noise(network)
        compressed.after_step(step / 10)
        fractions.append(_zeros(network))
    assert fractions[5] == 0
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(0.9, abs=0.002)
    assert fractions[35] < fractions[51] == fractions[-1]


def test_each_weight_tensor_ends_with_its_codebook_values_and_biases_are_not_shared() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"shared_bits": 3}))
    for step in range(100):
        _noise(network)
        compressed.after_step(step / 10)
    for name, parameter in network.named_parameters():
        values = len(torch.unique(parameter))
        assert values <= 8 if name.endswith("weight") else values == len(parameter)


def test_a_codebook_value_moves_by_the_mean_step_of_its_weights() -> None:
    layer = nn.Linear(8, 8)
    compressed = WeightCompression(layer, _CONFIG.model_copy(update={"shared_bits": 1}))
    compressed.after_step(8.0)
    before = layer.weight.detach().clone()
    step = torch.randn_like(before)
    with torch.no_grad():
        layer.weight.add_(step)
    compressed.after_step(8.1)
    for value in torch.unique(before):
        mask = before == value
        torch.testing.assert_close(layer.weight[mask], (value + step[mask].mean()).expand(int(mask.sum())))


def test_a_training_that_ends_early_is_still_pruned_and_shared() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"sparsity": 0.8, "shared_bits": 2}))
    compressed.after_step(0.5)
    assert _zeros(network) == 0
    compressed.finish()
    assert _zeros(network) == pytest.approx(0.8, abs=0.002)
    assert all(len(torch.unique(parameter)) <= 4 for parameter in network.parameters() if parameter.ndim > 1)


def test_the_loop_returns_the_best_of_the_compressed_epochs() -> None:
    learned = learn(task(), epochs=10, sparsity=0.5, shared_bits=2, learning_rate=0.02, early_stopping=2)
    weights = [
        parameter for parameter in learned.network.parameters() if parameter.ndim > 1 and parameter.numel() >= 64
    ]
    assert weights
    assert all(len(torch.unique(parameter)) <= 4 for parameter in weights)
    assert np.mean([float((parameter == 0).float().mean()) for parameter in weights]) == pytest.approx(0.5, abs=0.1)
    assert len(learned.history) >= 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"parallel": "ddp"}, "one machine"), ({"averaging": "ema"}, "exclude each other")],
)
def test_settings_that_cannot_be_combined_with_sparsity_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(CandidateFailedError, match=message):
        WeightCompression(_network(), _CONFIG.model_copy(update={"sparsity": 0.5, **settings}))
