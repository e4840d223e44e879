"""The state of a network's training, and the components that act on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import RunContext, TrainingTask
from pipeline.training.distributed.strategy import Strategy
from pipeline.training.loop.dense import Dense
from pipeline.training.loop.device_data import DeviceData
from pipeline.training.loop.dp_sgd import DpSgd
from pipeline.training.loop.losses import Loss
from pipeline.training.optim.optimizers import WeightOptimizer
from pipeline.training.optim.weight_average import WeightAverage
from pipeline.training.optim.weight_compression import WeightCompression

__all__ = ["TrainingComponents", "TrainingState"]

_NO_LIMIT = 2**31


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingComponents:
    """The components of one training. The fields are never replaced; weights and optimizer state change in place.

    Args:
        config: Hyper-parameters of the candidate.
        task: The training and validation rows, and the objective.
        context: Device, deadline, checkpoints and observers of the training.
        model: The network, wrapped by the strategy.
        loss: Loss of each row.
        optimizer: Optimizer of the network's weights.
        average: Average of the weights; if active, it replaces the weights in evaluation and serving.
        compression: Pruning and weight sharing.
        strategy: Splits the work between processes.
        dp_sgd: Differential privacy; None: the training is not private.
        dense: The network, if its gradient is computed by loop.dense instead of autograd; else None.
        train: The training rows.
        validation: The validation rows.
    """

    config: NetworkConfig
    task: TrainingTask
    context: RunContext
    model: nn.Module
    loss: Loss
    optimizer: WeightOptimizer
    average: WeightAverage
    compression: WeightCompression
    strategy: Strategy
    dp_sgd: DpSgd | None
    dense: Dense | None
    train: DeviceData
    validation: DeviceData

    @property
    def device(self) -> str:
        """Return the name of the torch device, such as ``cuda:0``."""
        return self.context.device


@dataclass(kw_only=True, slots=True)
class TrainingState:
    """The progress of a training. All fields but ``loss`` and ``best_weights`` are plain numbers and strings.

    Args:
        learning_rate: Base learning rate, which the schedule multiplies by its factor.
        loss: Sum of the losses of the epoch's rows so far [], on the device.
        best_weights: Weights of the best epoch.
        epoch: The epoch that is being trained, from 1.
        planned_epochs: Number of epochs that fit into the time limit; 0: all epochs of the config.
        step: Steps of the epoch so far.
        all_steps: Steps of all epochs so far.
        rows: Rows of the epoch so far.
        seconds: Seconds that the epoch had taken at its last checkpoint.
        max_rows: Maximum number of rows of one forward pass; halved when memory runs out.
        best_loss: Validation loss of the best epoch.
        best_epoch: The best epoch; 0: the initial weights.
        diverged: Epoch and learning rate at which the loss became non-finite, as text; empty: it did not.
        history: The learning curve, one point per epoch.
        notes: Notes for the model card.
    """

    learning_rate: float
    loss: Tensor
    best_weights: Mapping[str, Tensor]
    epoch: int = 1
    planned_epochs: int = 0
    step: int = 0
    all_steps: int = 0
    rows: int = 0
    seconds: float = 0.0
    max_rows: int = _NO_LIMIT
    best_loss: float = math.inf
    best_epoch: int = 0
    diverged: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def validation_losses(self) -> list[float]:
        """Return the validation loss of each epoch; empty if the training is private."""
        return [point["validation_loss"] for point in self.history if "validation_loss" in point]

    def update(self, loss: Tensor, rows: int) -> None:
        """Count a step.

        Args:
            loss: Mean loss of the step's rows.
            rows: Number of these rows.
        """
        self.loss = self.loss + loss * rows
        self.rows += rows
        self.step += 1
        self.all_steps += 1

    def start_epoch(self, epoch: int) -> None:
        """Reset the counters for an epoch that begins, or begins again."""
        self.epoch, self.step, self.rows, self.seconds = epoch, 0, 0, 0.0
        self.loss = torch.zeros_like(self.loss)

    def add_note(self, text: str, *, replace_prefix: str = "") -> None:
        """Add a note; it replaces earlier notes that start with ``replace_prefix``."""
        self.notes = [note for note in self.notes if not (replace_prefix and note.startswith(replace_prefix))]
        self.notes.append(text)
