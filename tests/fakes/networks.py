"""Small tasks for the training loop, and networks that train on them in a fraction of a second."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.loop.inputs import columns
from pipeline.training.loop.loop import TrainedNetwork, train_network

__all__ = ["SMALL", "Ensemble", "Fragile", "Kept", "flat", "learn", "points", "small", "task", "weights"]

SMALL = NetworkConfig(epochs=4, batch_size=16, learning_rate=0.01)


def small(**settings: Any) -> NetworkConfig:
    """Return SMALL with these hyperparameters changed."""
    return NetworkConfig(**{**SMALL.model_dump(), **settings})


def points(rows: int, *, classes: int = 2, seed: int = 0) -> Rows:
    """Return rows of two numbers; their sum determines the class, or is the value if ``classes`` is 0."""
    random = np.random.default_rng(seed)
    num = random.normal(size=(rows, 2)).astype(np.float32)
    total = num.sum(axis=1).astype(np.float64)
    target = total / total.std() if not classes else np.digitize(total, np.linspace(-1, 1, classes + 1)[1:-1])
    return Rows(num=num, cat=np.empty((rows, 0), np.int64), target=target)


def task(*, classes: int = 2, rows: int = 96, **changed: Any) -> TrainingTask:
    given: dict[str, Any] = {
        "classes": classes,
        "cardinalities": (),
        "train": points(rows, classes=classes),
        "validation": points(rows // 2, classes=classes, seed=1),
        "seed": 3,
        "kind": "classification" if classes else "regression",
        "metric": "accuracy" if classes else "rmse",
    }
    return TrainingTask(**{**given, **changed})


def flat(outputs: int = 2) -> Callable[[], nn.Module]:
    """Return a function that builds a network with one hidden layer, and dropout, so that randomness has an effect."""
    return lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, outputs))


class Ensemble(nn.Module):
    """An ensemble of linear members: [batch, 2] -> [batch, members, outputs]."""

    def __init__(self, members: int, outputs: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(nn.Linear(2, outputs) for _ in range(members))

    def forward(self, num: Tensor) -> Tensor:
        return torch.stack([member(num) for member in self.each], dim=1)


class Fragile(nn.Module):
    """A network that returns NaN after too large a step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.start = self.layer.weight.detach().clone()

    def forward(self, num: Tensor) -> Tensor:
        answer: Tensor = self.layer(num)
        far = (self.layer.weight - self.start).abs().max() > 0.3
        return torch.where(far, torch.nan, answer)


class Kept:
    """Checkpoints in memory; ``saving``, if set, is called before each with its number, from 1."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.held: bytes | None = None
        self.saving: Callable[[int], None] | None = None
        self._count = 0

    def load(self) -> bytes | None:
        return self.held

    def save(self, state: bytes) -> None:
        self._count += 1
        if self.saving:
            self.saving(self._count)
        self.held = state

    @property
    def state(self) -> Mapping[str, Any]:
        assert self.held is not None
        found: Mapping[str, Any] = torch.load(io.BytesIO(self.held[32:]), weights_only=True)
        return found

    def weights(self) -> Mapping[str, Tensor]:
        """Return the weights in the last checkpoint."""
        found: Mapping[str, Tensor] = self.state["weights"]
        return found


def wide(outputs: int, columns: int) -> Callable[[], nn.Module]:
    """Return a function that builds a network with enough weights to prune."""

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.last = nn.Linear(columns, 40), nn.Linear(40, outputs)

        def forward(self, num: Tensor) -> Tensor:
            answer: Tensor = self.last(torch.tanh(self.hidden(num)))
            return answer

    return Wide


def learn(
    given: TrainingTask,
    build: Callable[[], nn.Module] | None = None,
    *,
    context: RunContext | None = None,
    **settings: Any,
) -> TrainedNetwork:
    if build is None:
        outputs = given.classes or 1
        build = wide(outputs, given.train.num.shape[1]) if settings.get("sparsity") else flat(outputs)
    return train_network(build, columns("num"), small(**settings), given, context or RunContext())


def weights(network: nn.Module) -> Mapping[str, list[float]]:
    """Return the weights as lists, to compare them exactly."""
    return {name: tensor.flatten().tolist() for name, tensor in network.state_dict().items()}
