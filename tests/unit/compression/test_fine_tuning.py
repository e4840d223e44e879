"""Passes that fine-tune: torch graphs, pruned and shared weights, deadlines and interruptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import onnx
import pytest
import torch

from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.fine_tuning.constraints import GradualPruning, Importance, SharedValues, value_counts
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.fine_tune import FineTune, FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.pruning.prune_weights import PruneWeights
from pipeline.compression.passes.weights.share_tuned_weights import ShareTunedWeights
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.compression.weight_tensors import read_weights
from pipeline.contracts.errors import NotApplicableError
from tests.helpers.trained_networks import Trained, embedding_body, trained, treeless_body

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = FineTuningConfig(epochs=10, batch_size=16)


class FakeCheckpoints:
    """Checkpoints in memory, which interrupt the fine-tuning after a number of saves."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.states: list[bytes] = []
        self._interrupt_after = interrupt_after

    def save(self, state: bytes) -> None:
        self.states.append(state)
        if len(self.states) == self._interrupt_after:
            raise InterruptedError

    def load(self) -> bytes | None:
        return self.states[-1] if self.states else None


class FakeClock:
    """A clock that advances by ``step`` seconds with each reading."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


def rows_of(network: Trained) -> TrainingRows:
    return TrainingRows.encode(network.validation, network.dataset, network.dataset.signature)


def context_of(network: Trained, clock: Callable[[], float] | None = None, **changes: object) -> PassContext:
    budget = Budget.start(60.0, clock) if clock else Budget.start(60.0)
    fields = {"read_rows": lambda: rows_of(network), "teacher": network.body, "budget": budget}
    return PassContext(**{**fields, **changes})


def loss_of(model: bytes, network: Trained) -> float:
    rows = rows_of(network)
    objective = Objective.of(predict(network.body, rows), rows)
    return float(objective.loss(torch.from_numpy(predict(model, rows)), np.arange(len(rows))))


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_torch_computes_the_same_as_onnxruntime(name: str) -> None:
    network = trained(name)
    rows = rows_of(network)
    graph = TorchGraph(network.body)
    computed = graph(rows.inputs).detach().numpy()
    np.testing.assert_allclose(computed, predict(network.body, rows), rtol=1e-4, atol=1e-5)
    assert graph.inputs == ("num",)
    assert graph.to_onnx().SerializeToString() == network.body


def test_an_embedding_is_a_trainable_weight() -> None:
    body = embedding_body(cardinality=500, width=16, hidden=64).SerializeToString()
    assert "table" in TorchGraph(body).named_weights()


def test_constants_before_the_first_weight_are_not_trainable() -> None:
    assert not {"mean", "std"} & TorchGraph(trained("wine").body).named_weights().keys()


def test_a_graph_without_weights_is_not_applicable() -> None:
    with pytest.raises(NotApplicableError):
        TorchGraph(treeless_body(3).SerializeToString())


@pytest.mark.parametrize("importance", get_args(Importance))
def test_pruned_weights_are_zero_and_fine_tuning_reduces_the_loss(importance: Importance) -> None:
    network = trained("breast_cancer")
    pruned = PruneWeights(context_of(network), sparsity=0.8, importance=importance, config=QUICK)(network.body).model
    weights = [tensor for tensor in read_weights(onnx.load_from_string(pruned)) if tensor.ndim > 1]
    zeros = sum(int((tensor == 0).sum()) for tensor in weights) / sum(tensor.size for tensor in weights)
    assert zeros == pytest.approx(0.8, abs=0.02)
    untrained = FineTuningConfig(epochs=1, batch_size=16, learning_rate=1e-9)
    untuned = PruneWeights(context_of(network), sparsity=0.8, importance=importance, config=untrained)(
        network.body
    ).model
    assert loss_of(pruned, network) < loss_of(untuned, network)


def test_fine_tuning_keeps_zeros() -> None:
    network = trained("breast_cancer")
    context = context_of(network)
    pruned = PruneWeights(context, sparsity=0.5, config=QUICK)(network.body).model
    tuned = FineTune(context, QUICK)(pruned).model
    assert tuned != pruned
    for before, after in zip(
        read_weights(onnx.load_from_string(pruned)), read_weights(onnx.load_from_string(tuned)), strict=True
    ):
        assert (after[before == 0] == 0).all() or before.ndim == 1


def test_fine_tuning_shared_values_reduces_the_loss() -> None:
    network = trained("breast_cancer")
    shared = ShareTunedWeights(context_of(network), bits=2, config=QUICK)(network.body).model
    weights = [tensor for tensor in read_weights(onnx.load_from_string(shared)) if tensor.ndim > 1]
    assert [len(np.unique(tensor)) for tensor in weights] == [4, 4, 16]
    untuned = ShareTunedWeights(context_of(network), bits=2, config=FineTuningConfig(epochs=0.01))(network.body).model
    assert loss_of(shared, network) < loss_of(untuned, network)


def test_small_tensors_have_four_times_as_many_values() -> None:
    assert value_counts({"convolution": 500, "dense": 400_000}, 3) == {"convolution": 32, "dense": 8}
    assert value_counts({"convolution": 500, "dense": 400_000}, 8) == {"convolution": 256, "dense": 256}


def test_small_layers_stay_denser_if_all_weights_are_compared() -> None:
    random = torch.Generator().manual_seed(0)
    small, large = (torch.nn.Parameter(torch.randn(size, generator=random)) for size in ((10, 10), (100, 100)))
    weights = {"small": small, "large": large}
    pruning = GradualPruning(weights, sparsity=0.9, importance="magnitude")
    pruning.after_step(weights, 1.0)
    density = {name: float((tensor != 0).float().mean()) for name, tensor in weights.items()}
    assert density["small"] > 2 * density["large"]
    assert sum(int((tensor != 0).sum()) for tensor in weights.values()) == 1010


def test_a_shared_value_learns_from_the_mean_gradient_of_its_weights() -> None:
    tensor = torch.nn.Parameter(torch.tensor([1.0, 1.0, 2.0, 0.0]).repeat(32, 1))
    constraint = SharedValues({"weight": tensor}, bits=2)
    gradients = torch.tensor([1.0, 3.0, 5.0, 7.0])
    tensor.grad = gradients.repeat(32, 1)
    constraint.before_step({"weight": tensor})
    assert torch.equal(tensor.grad, torch.tensor([2.0, 2.0, 5.0, 0.0]).repeat(32, 1))


def test_a_pruned_regression_still_predicts_the_target() -> None:
    network = trained("diabetes")
    pruned = PruneWeights(context_of(network), sparsity=0.5, config=QUICK)(network.body).model
    values = network.validation["target"].to_numpy()
    error = predict(pruned, rows_of(network))[:, 0] - values
    assert np.sqrt(np.square(error).mean()) < values.std()


def test_the_pruning_schedule_is_completed_if_time_is_short() -> None:
    network = trained("breast_cancer")
    hurried = context_of(network, FakeClock(step=1.0))
    pruned = PruneWeights(hurried, sparsity=0.8, config=FineTuningConfig(epochs=1000))(network.body).model
    weights = [tensor for tensor in read_weights(onnx.load_from_string(pruned)) if tensor.ndim > 1]
    assert sum(int((tensor == 0).sum()) for tensor in weights) > 0.7 * sum(tensor.size for tensor in weights)


def test_fine_tuning_is_not_applicable_without_time() -> None:
    network = trained("breast_cancer")
    with pytest.raises(NotApplicableError, match=r"compression\.minutes"):
        FineTune(context_of(network, budget=Budget.start(0.0)))(network.body)


def test_fine_tuning_is_not_applicable_with_few_rows() -> None:
    network = trained("wine")
    assert len(rows_of(network)) < 32
    with pytest.raises(NotApplicableError, match="32 training rows"):
        FineTune(context_of(network))(network.body)


def test_an_interrupted_fine_tuning_resumes_and_gives_the_same_model() -> None:
    network = trained("breast_cancer")
    wanted = PruneWeights(context_of(network), sparsity=0.8, config=QUICK)(network.body).model
    checkpoints = FakeCheckpoints(interrupt_after=1)
    slow = context_of(
        network, FakeClock(step=0.2), checkpoints=checkpoints, budget=Budget.start(1e6, FakeClock(step=8))
    )
    with pytest.raises(InterruptedError):
        PruneWeights(slow, sparsity=0.8, config=QUICK)(network.body)
    resumed = context_of(network, checkpoints=checkpoints)
    assert PruneWeights(resumed, sparsity=0.8, config=QUICK)(network.body).model == wanted
