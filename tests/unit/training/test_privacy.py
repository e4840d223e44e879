from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import RunContext, TrainingTask
from pipeline.training.loop.dp_sgd import DpSgd
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import columns
from pipeline.training.loop.loop import TrainedNetwork
from pipeline.training.optim.optimizers import WeightOptimizer
from tests.fakes.networks import Ensemble, Kept, learn, small, task, weights
from tests.fakes.tabular import table
from tests.fakes.training import TrainIt
from tests.unit.training.test_texts import texts


def _accuracy(learned: TrainedNetwork, training_task: TrainingTask) -> float:
    predictions = InferenceModule(learned.network, columns("num"), classes=training_task.classes).predict(
        training_task.validation
    )
    return float((predictions.argmax(axis=1) == training_task.validation.target).mean())


PRIVATE: dict[str, Any] = {"privacy_epsilon": 3.0, "privacy_delta": 1e-4, "optimizer": "sgd", "learning_rate": 0.5}


def test_private_training_spends_the_requested_epsilon_and_notes_what_it_covers() -> None:
    learned = learn(task(rows=400), **PRIVATE, epochs=5, batch_size=40, early_stopping=5)
    assert learned.privacy["delta"] == 1e-4
    assert 2.7 < learned.privacy["epsilon"] <= 3.0
    assert any(
        note.startswith("epsilon covers what the weights learned from the training rows") for note in learned.notes
    )
    assert not hasattr(learned.network, "_module"), "an ordinary network again"
    assert all(not hasattr(parameter, "grad_sample") for parameter in learned.network.parameters())


def test_a_private_training_that_runs_out_of_time_spends_less_epsilon() -> None:
    points: list[Mapping[str, float]] = []
    context = RunContext(watch=points.append, deadline=time.monotonic() + 0.5)
    learned = learn(task(rows=400), context=context, **PRIVATE, epochs=1000, batch_size=40, early_stopping=1)
    assert 0 < len(points) < 1000
    assert 0 < learned.privacy["epsilon"] < 2.7


def test_no_exact_loss_is_reported_or_decides_which_epoch_is_served() -> None:
    """The classes of the validation rows are swapped: by their loss the first epoch would be the best and the last."""
    points, reports = list[Mapping[str, float]](), list[str]()
    training_task = task(rows=400)
    swapped = replace(training_task.validation, target=1 - training_task.validation.target)
    checkpoints = Kept()
    context = RunContext(watch=points.append, report=reports.append, checkpoints=checkpoints)
    swapped_task = replace(training_task, validation=swapped)
    learned = learn(swapped_task, context=context, **PRIVATE, epochs=6, batch_size=40, early_stopping=1)
    assert [point["epoch"] for point in points] == [1, 2, 3, 4, 5, 6]
    assert [set(point) for point in (*points, *learned.history)] == [
        {"epoch", "learning_rate", "memory_mb", "seconds"}
    ] * 12
    assert not any("loss" in report for report in reports)
    for name, tensor in learned.network.state_dict().items():
        torch.testing.assert_close(tensor, checkpoints.weights()[name])


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_private_gradient_is_the_same_for_a_batch_in_parts(parts: int) -> None:
    """The batch goes through the network in parts after memory ran out."""
    training_task = task(rows=64)
    network = nn.Linear(2, 2)
    settings = small(**{**PRIVATE, "batch_size": 16, "privacy_norm": 0.1})
    private = DpSgd(network, WeightOptimizer(network, settings), settings, training_task, RunContext())
    inputs, target = torch.from_numpy(training_task.train.num[:16]), torch.from_numpy(training_task.train.target[:16])

    def gradient(count: int) -> torch.Tensor:
        private.zero()
        private.generator.manual_seed(0)
        for rows, labels in zip(inputs.chunk(count), target.chunk(count), strict=True):
            private.backward(nn.functional.cross_entropy(network(rows), labels, reduction="sum"))
        private.add_noise()
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])

    torch.testing.assert_close(gradient(parts), gradient(1))


def test_private_training_is_refused_for_text_features_that_learn_from_labels(train: TrainIt) -> None:
    with pytest.raises(CandidateFailedError, match="its text features learn from the labels"):
        train("mlp", texts(table=True), **PRIVATE)


def test_a_private_training_still_learns() -> None:
    training_task = task(rows=1000)
    learned = learn(training_task, **PRIVATE, epochs=10, batch_size=100)
    assert _accuracy(learned, training_task) > 0.8


def test_private_training_without_noise_and_clipping_equals_plain_training() -> None:
    plain: dict[str, Any] = {"optimizer": "gd", "learning_rate": 0.5, "epochs": 3}
    layer = nn.Linear(2, 2)

    def build() -> nn.Module:
        network = nn.Linear(2, 2)
        network.load_state_dict(layer.state_dict())
        return network

    private = learn(task(), build, **plain, privacy_epsilon=1e9, privacy_norm=10.0)
    for parameter, expected in zip(
        private.network.parameters(), learn(task(), build, **plain).network.parameters(), strict=True
    ):
        torch.testing.assert_close(parameter, expected, atol=1e-2, rtol=0)


def test_no_row_moves_the_weights_further_than_the_clipping_norm() -> None:
    """One row is scaled until its gradient would dominate the batch."""
    training_task = task(rows=50)
    training_task.train.num[0] = 1e4
    checkpoints = Kept()
    torch.manual_seed(training_task.seed)
    start = nn.Linear(2, 2).state_dict()
    settings: dict[str, Any] = {"privacy_epsilon": 1e9, "privacy_norm": 0.1, "optimizer": "gd", "learning_rate": 1.0}
    learn(
        task(train=training_task.train),
        lambda: nn.Linear(2, 2),
        context=RunContext(checkpoints=checkpoints),
        **settings,
        epochs=1,
    )
    moved = torch.cat([(checkpoints.weights()[name] - was).flatten() for name, was in start.items()])
    assert moved.norm() <= 0.1 * 1.01


def test_privacy_noise_does_not_use_the_training_seed() -> None:
    first, second = (learn(task(), **PRIVATE, epochs=1, batch_size=16) for _ in range(2))
    assert weights(first.network) != weights(second.network)


def test_an_interrupted_private_training_spends_no_epsilon_twice() -> None:
    class StopError(Exception):
        pass

    def stop(point: Any) -> None:
        if point["epoch"] == 3:
            raise StopError

    checkpoints = Kept()
    settings: dict[str, Any] = {**PRIVATE, "epochs": 5, "batch_size": 40, "early_stopping": 5}
    with pytest.raises(StopError):
        learn(task(rows=400), context=RunContext(checkpoints=checkpoints, watch=stop), **settings)
    learned = learn(task(rows=400), context=RunContext(checkpoints=checkpoints), **settings)
    assert len(learned.history) == 5
    assert 2.7 < learned.privacy["epsilon"] <= 3.0


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "normalized_gd", "nesterov"])
def test_any_optimizer_can_train_privately(optimizer: str) -> None:
    learned = learn(task(), **{**PRIVATE, "optimizer": optimizer, "learning_rate": 0.01}, epochs=2)
    assert learned.privacy["epsilon"] <= 3.0


def test_an_ensemble_can_train_privately() -> None:
    training_task = task(rows=400)
    learned = learn(training_task, lambda: Ensemble(3, 2), **PRIVATE, epochs=5, batch_size=40)
    assert _accuracy(learned, training_task) > 0.75


def test_batch_norms_become_group_norms_in_private_training() -> None:
    learned = learn(
        task(), lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), **PRIVATE, epochs=1
    )
    assert isinstance(learned.network[1], nn.GroupNorm)  # type: ignore[index]
    assert learned.notes[0] == "private training: its batch norms became group norms"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mixup": 0.2}, "mixup gives a row its neighbors' pixels"),
        ({"schedule": "plateau"}, "the schedule plateau follows exact losses of the validation rows"),
    ],
)
def test_settings_that_cannot_be_private_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(CandidateFailedError, match=f"is not possible here: {reason}"):
        learn(task(), **PRIVATE, **settings)


@pytest.mark.parametrize("algorithm", ["mlp", "tabm", "resnet_mlp"])
def test_a_tabular_network_trains_privately_and_records_the_spent_epsilon(algorithm: str, train: TrainIt) -> None:
    run = train(algorithm, table(rows=400), privacy_epsilon=8.0, privacy_delta=1e-3, epochs=3)
    assert 0 < run.trained.privacy["epsilon"] <= 8.0
    assert run.trained.privacy["delta"] == 1e-3
    assert run.difference() < 1e-5
