from __future__ import annotations

import copy
from typing import Any, get_args

import pytest
import torch
from torch import nn

from pipeline.contracts.algorithms.network_config import OptimizerName
from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.spec.job_spec import JobSpec, Training
from pipeline.planning.plan import plan
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.optim.optimizers import FULL_BATCH_OPTIMIZERS, WeightOptimizer
from tests.fakes.networks import flat, learn, small, task
from tests.fakes.tabular import table
from tests.fakes.training import TrainIt

OPTIMIZERS = frozenset(get_args(OptimizerName))


def _layer(**settings: Any) -> tuple[nn.Linear, WeightOptimizer]:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    return layer, WeightOptimizer(layer, small(**{"weight_decay": 0.0, **settings}))


def _gradient(layer: nn.Linear) -> None:
    layer.zero_grad()
    layer(torch.arange(12.0).view(4, 3)).square().sum().backward()


def _flat(layer: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in layer.parameters()])


def _slope(layer: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in layer.parameters() if parameter.grad is not None])


def test_a_normalized_step_has_the_length_of_the_learning_rate_and_opposes_the_gradient() -> None:
    layer, descent = _layer(optimizer="normalized_gd")
    _gradient(layer)
    before = _flat(layer).clone()
    descent.step(0.25)
    step = _flat(layer) - before
    assert step.norm().item() == pytest.approx(0.25, rel=1e-5)
    assert nn.functional.cosine_similarity(step, -_slope(layer), dim=0).item() == pytest.approx(1, abs=1e-6)


def test_a_normalized_step_with_a_zero_gradient_does_not_move() -> None:
    layer, descent = _layer(optimizer="normalized_gd")
    before = _flat(layer).clone()
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    descent.step(0.25)
    assert torch.equal(_flat(layer), before)


@pytest.mark.parametrize("name", ["gd", "sgd"])
def test_a_plain_step_is_the_learning_rate_times_the_gradient(name: str) -> None:
    layer, descent = _layer(optimizer=name)
    _gradient(layer)
    before = _flat(layer).clone()
    descent.step(0.01)
    torch.testing.assert_close(_flat(layer), before - 0.01 * _slope(layer))


@pytest.mark.parametrize(("name", "second"), [("momentum", 1.9), ("nesterov", 1 + 0.9 * 1.9)])
def test_momentum_adds_earlier_gradients(name: str, second: float) -> None:
    layer, descent = _layer(optimizer=name, momentum=0.9)
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    descent.step(0.1)
    before = _flat(layer).clone()
    descent.step(0.1)
    torch.testing.assert_close(_flat(layer), before - 0.1 * second)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS - {"adamw", "muon"}))
def test_weight_decay_is_decoupled_for_every_optimizer(name: str) -> None:
    layer, descent = _layer(optimizer=name, weight_decay=0.5)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = _flat(layer).clone()
    descent.step(0.1)
    torch.testing.assert_close(_flat(layer), before * 0.95)


def test_muon_orthogonalizes_only_hidden_matrices() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    descent = WeightOptimizer(network, small(optimizer="muon", weight_decay=0.0))
    for parameter in network.parameters():
        parameter.grad = torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0])) if parameter.ndim == 2 else torch.ones(4)
    before = [layer.weight.detach().clone() for layer in network]  # type: ignore[union-attr, operator]
    descent.step(0.1)
    first, hidden, last = (was - layer.weight.detach() for was, layer in zip(before, network, strict=True))  # type: ignore[operator]
    stretch = torch.linalg.svdvals(hidden) / (0.1 * 0.2 * 4**0.5)
    assert ((stretch > 0.6) & (stretch < 1.3)).all(), "nearly orthogonal for any singular values of the gradient"
    for matrix in (first, last):
        torch.testing.assert_close(matrix.diagonal(), torch.full((4,), 0.1))  # the first step of AdamW


@pytest.mark.parametrize("name", sorted(FULL_BATCH_OPTIMIZERS))
def test_full_batch_descent_takes_one_step_per_epoch(name: str) -> None:
    training_task = task(rows=64)
    learned = learn(training_task, optimizer=name, epochs=1, learning_rate=0.5, averaging="none", weight_decay=0.0)
    torch.manual_seed(training_task.seed)
    network = flat()()
    start = _flat(network)
    step = (_flat(learned.network) - start).norm().item()
    assert step == pytest.approx(0.5, rel=1e-4) if name == "normalized_gd" else 0 < step < 0.5


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_learns(name: str) -> None:
    slow = {"gd": 1.0, "normalized_gd": 0.3, "sgd": 0.3, "adadelta": 3.0, "adagrad": 0.1}
    learned = learn(task(rows=200), optimizer=name, epochs=25, learning_rate=slow.get(name, 0.03))
    assert min(point["validation_loss"] for point in learned.history) < 0.35


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_an_adam_step_equals_that_of_torch(decay: float) -> None:
    network, theirs = (copy.deepcopy(flat()()) for _ in range(2))
    theirs.load_state_dict(network.state_dict())
    descent = WeightOptimizer(network, small(optimizer="adamw", weight_decay=decay))
    usual = torch.optim.AdamW(theirs.parameters(), weight_decay=decay, fused=True)
    state: list[dict[str, Any]] = []
    for number in range(6):
        if number == 3:  # it resumes from its saved state
            state = copy.deepcopy(descent.state())
            descent.reset()
            descent.load(state, make_strategy("none", Process(), "cpu"))
        for parameter, expected in zip(network.parameters(), theirs.parameters(), strict=True):
            parameter.grad = torch.randn_like(parameter)
            expected.grad = parameter.grad.clone()
        for group in usual.param_groups:
            group["lr"] = 0.01 / (1 + number)
        usual.step()
        descent.step(0.01 / (1 + number))
    for parameter, expected in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, rtol=0, atol=0)


def test_adam_does_not_change_a_parameter_without_a_gradient() -> None:
    network = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    descent = WeightOptimizer(network, small(optimizer="adam"))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for number in range(4):
        for index, parameter in enumerate(network.parameters()):
            parameter.grad = torch.ones_like(parameter) if number % 2 or index < 2 else None
        if number == 0:
            descent.step(0.1)
            assert [torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True)] == [False] * 2 + [
                True
            ] * 2
        else:
            descent.step(0.1)
    assert not any(torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("optimizer", ["gd", "normalized_gd", "sgd", "adadelta"])
def test_an_optimizer_without_a_learning_rate_gets_a_default_that_trains(
    train: TrainIt, optimizer: OptimizerName
) -> None:
    rows = table(rows=400)
    spec = JobSpec(algorithms=("mlp",), training=Training(optimizer=optimizer))
    (candidate,) = plan(rows.dataset, spec).candidates
    assert train("mlp", rows, **candidate.settings).trained.quality["accuracy"] > 0.8
