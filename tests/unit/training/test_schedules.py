from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.training.optim.schedules import lr_factor
from tests.fakes.networks import learn, small, task


def _at(name: str, epochs: float, losses: tuple[float, ...] = (), **settings: Any) -> float:
    return lr_factor(small(**{"schedule": name, "epochs": 10, **settings}), epochs, losses)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("constant", {0: 1, 9.9: 1}),
        ("step", {0: 1, 3.99: 1, 4: 0.5, 8: 0.25}),
        ("exponential", {0: 1, 2: 0.5**0.5, 4: 0.5, 8: 0.25}),
        ("cosine", {0: 1, 5: 0.5, 10: 0}),
        ("warmup", {0.5: 0.51 / 1.01, 1: 1, 7: 1}),
        ("one_cycle", {0: 1 / 25, 1.5: (1 + 1 / 25) / 2, 3: 1, 10: 1e-4 / 25}),
    ],
)
def test_a_schedule_has_its_defined_factors(name: str, values: dict[float, float]) -> None:
    for epochs, expected in values.items():
        assert _at(name, epochs, decay=0.5, step_epochs=4) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_plateau_lowers_the_learning_rate_in_the_same_epochs_as_torch(patience: int) -> None:
    losses = np.random.default_rng(0).normal(size=60).tolist()
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, threshold=0, eps=0)
    for epoch, loss in enumerate(losses, start=1):
        scheduler.step(loss)
        rate = _at("plateau", epoch, tuple(losses[:epoch]), decay=0.5, step_epochs=patience)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
    assert rate < 1


def test_any_schedule_may_warm_up() -> None:
    assert _at("cosine", 0, warmup=0.2) < 0.01
    assert _at("cosine", 2, warmup=0.2) == pytest.approx(_at("cosine", 2))


def test_the_training_loop_follows_the_schedule_and_reports_the_learning_rate() -> None:
    learned = learn(task(), schedule="step", decay=0.5, step_epochs=1, epochs=3, learning_rate=0.02)
    assert [point["learning_rate"] for point in learned.history] == pytest.approx([0.02, 0.01, 0.005])
