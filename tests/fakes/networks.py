"""Small problems for the training loop, and what trains on them in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.training.inputs import columns
from pipeline.training.knobs import NETWORK_KNOBS
from pipeline.training.loop import Learned, train_network
from pipeline.training.recipe import Problem, Rows

__all__ = ["SMALL", "Ensemble", "flat", "learn", "points", "problem", "weights"]

SMALL: dict[str, Any] = {**NETWORK_KNOBS, "epochs": 4, "batch_size": 16, "learning_rate": 0.01}


def points(rows: int, *, classes: int = 2, seed: int = 0) -> Rows:
    """Two numbers; their sum tells the class, or (``classes`` 0) is the value."""
    random = np.random.default_rng(seed)
    num = random.normal(size=(rows, 2)).astype(np.float32)
    total = num.sum(axis=1).astype(np.float64)
    target = total / total.std() if not classes else np.digitize(total, np.linspace(-1, 1, classes + 1)[1:-1])
    return Rows(num=num, cat=np.empty((rows, 0), np.int64), target=target)


def problem(*, classes: int = 2, rows: int = 96, **changed: Any) -> Problem:
    given: dict[str, Any] = {
        "classes": classes,
        "cardinalities": (),
        "train": points(rows, classes=classes),
        "validation": points(rows // 2, classes=classes, seed=1),
        "seed": 3,
        "device": "cpu",
        "threads": 1,
        "report": lambda text: None,
        "task": "classification" if classes else "regression",
        "metric": "accuracy" if classes else "rmse",
    }
    return Problem(**{**given, **changed})


def flat(outputs: int = 2) -> Callable[[], nn.Module]:
    """A network of one hidden layer, with dropout, so that what is random in training shows."""
    return lambda: nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, outputs))


class Ensemble(nn.Module):
    """Linear members: [batch, 2] -> [batch, members, outputs]."""

    def __init__(self, members: int, outputs: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(nn.Linear(2, outputs) for _ in range(members))

    def forward(self, num: Tensor) -> Tensor:
        return torch.stack([member(num) for member in self.each], dim=1)


def learn(given: Problem, build: Callable[[], nn.Module] | None = None, **settings: Any) -> Learned:
    return train_network(build or flat(given.classes or 1), columns("num"), {**SMALL, **settings}, given)


def weights(network: nn.Module) -> Mapping[str, list[float]]:
    """To compare bit by bit."""
    return {name: tensor.flatten().tolist() for name, tensor in network.state_dict().items()}
