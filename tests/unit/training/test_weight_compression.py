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
    weights = [each for each in network.parameters() if each.ndim > 1]
    return float(sum((each == 0).sum() for each in weights) / sum(each.numel() for each in weights))


def _noise(network: nn.Module) -> None:
    with torch.no_grad():
        for each in network.parameters():
            each.add_(torch.randn_like(each) * 0.01)


def test_the_share_of_zeros_grows_to_the_sparsity_and_pruned_weights_stay_zero() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"sparsity": 0.9}))
    shares = []
    for step in range(100):
        _noise(network)
        compressed.after_step(step / 10)
        shares.append(_zeros(network))
    assert shares[5] == 0
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.9, abs=0.002)
    assert shares[35] < shares[51] == shares[-1]


def test_each_tensor_ends_with_the_values_of_its_codebook_and_biases_stay_free() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"shared_bits": 3}))
    for step in range(100):
        _noise(network)
        compressed.after_step(step / 10)
    for name, each in network.named_parameters():
        values = len(torch.unique(each))
        assert values <= 8 if name.endswith("weight") else values == len(each)


def test_a_value_moves_by_the_mean_step_of_its_weights() -> None:
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


def test_a_training_that_ends_early_is_pruned_and_shared_all_the_same() -> None:
    network = _network()
    compressed = WeightCompression(network, _CONFIG.model_copy(update={"sparsity": 0.8, "shared_bits": 2}))
    compressed.after_step(0.5)
    assert _zeros(network) == 0
    compressed.finish()
    assert _zeros(network) == pytest.approx(0.8, abs=0.002)
    assert all(len(torch.unique(each)) <= 4 for each in network.parameters() if each.ndim > 1)


def test_the_loop_gives_back_the_best_of_the_epochs_that_end_compressed() -> None:
    learned = learn(task(), epochs=10, sparsity=0.5, shared_bits=2, learning_rate=0.02, early_stopping=2)
    weights = [each for each in learned.network.parameters() if each.ndim > 1 and each.numel() >= 64]
    assert weights
    assert all(len(torch.unique(each)) <= 4 for each in weights)
    assert np.mean([float((each == 0).float().mean()) for each in weights]) == pytest.approx(0.5, abs=0.1)
    assert len(learned.history) >= 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"parallel": "ddp"}, "one machine"), ({"averaging": "ema"}, "exclude each other")],
)
def test_what_cannot_be_combined_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(CandidateFailedError, match=message):
        WeightCompression(_network(), _CONFIG.model_copy(update={"sparsity": 0.5, **settings}))
