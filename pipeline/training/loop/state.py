"""A network's training: what takes part in it, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.training.algorithm import Problem, Settings
from pipeline.training.distributed.strategy import Parallel
from pipeline.training.loop.dense import Dense
from pipeline.training.loop.dp_sgd import DpSgd
from pipeline.training.loop.losses import Loss
from pipeline.training.optim.optimizers import WeightOptimizer
from pipeline.training.optim.weight_average import WeightAverage
from pipeline.training.optim.weight_compression import WeightCompression

__all__ = ["Progress", "Training"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What takes part. ``model``: the network, or what several processes have in its place.

    ``written_out``: the network, where its gradient is written out for what it learns here.
    """

    settings: Settings
    problem: Problem
    model: nn.Module
    loss_of: Loss
    descent: WeightOptimizer
    averaged: WeightAverage
    compressed: WeightCompression
    together: Parallel
    private: DpSgd | None
    written_out: Dense | None

    @property
    def device(self) -> str:
        return self.problem.device


@dataclass(kw_only=True, slots=True)
class Progress:
    """``epoch``: the one that is being learned; ``steps``, ``rows``, ``loss`` (their sum), ``seconds`` of it are done.

    ``rate``: what the schedule multiplies. ``most``: rows that memory was found to have room for. ``best_epoch`` 0: the
    weights that it began with. ``planned``: epochs that there is time for; 0: all. ``diverged``: where, in words. Plain
    numbers and texts, but for ``loss`` and ``best``.
    """

    rate: float
    loss: Tensor
    best: Mapping[str, Tensor]
    epoch: int = 1
    planned: int = 0
    steps: int = 0
    all_steps: int = 0
    rows: int = 0
    seconds: float = 0.0
    most: int = 2**31
    best_loss: float = math.inf
    best_epoch: int = 0
    diverged: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """The validation loss of each epoch; empty where it is private."""
        return [point["validation_loss"] for point in self.history if "validation_loss" in point]

    def count(self, loss: Tensor, rows: int) -> None:
        """A step was taken, at that mean loss of so many rows."""
        self.loss = self.loss + loss * rows
        self.rows += rows
        self.steps += 1
        self.all_steps += 1

    def begin(self, epoch: int) -> None:
        """None of it is done yet."""
        self.epoch, self.steps, self.rows, self.seconds = epoch, 0, 0, 0.0
        self.loss = torch.zeros_like(self.loss)

    def note(self, text: str, *, instead_of: str = "") -> None:
        """``instead_of``: what an earlier note began with."""
        self.notes = [note for note in self.notes if not (instead_of and note.startswith(instead_of))]
        self.notes.append(text)
