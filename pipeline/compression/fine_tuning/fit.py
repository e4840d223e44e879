"""The training loop: minibatches, Adam with a cosine schedule, a constraint on each step, a checkpoint every 30 s.

Progress is the larger of the fraction of the steps done and the fraction of the time spent. Therefore the schedule
always completes, even if the time is short.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.compression.fine_tuning.budget import Budget, FineTuningCheckpoints
from pipeline.compression.fine_tuning.constraints import Constraint
from pipeline.compression.fine_tuning.hints import FeatureHints
from pipeline.compression.fine_tuning.mixup import mix_inputs
from pipeline.compression.fine_tuning.objective import Objective
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.training_rows import TrainingRows

__all__ = ["FineTuningConfig", "fit"]

_CHECKPOINT_SECONDS = 30.0

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuningConfig:
    """How a body is fine-tuned.

    Attributes:
        epochs: Number of epochs, if there is enough time.
        batch_size: Rows of a step.
        learning_rate: Initial learning rate, which a cosine schedule lowers to 0.
        max_gradient_norm: Norm to which gradients are clipped.
        mixup: Alpha of the Beta distribution of mixing weights; 0: rows are not mixed.
    """

    epochs: float = 5.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    max_gradient_norm: float = 1.0
    mixup: float = 0.0


def fit(  # noqa: PLR0913 - the parts of a training loop, as keywords
    graph: TorchGraph,
    rows: TrainingRows,
    objective: Objective,
    constraint: Constraint,
    *,
    config: FineTuningConfig,
    budget: Budget,
    checkpoints: FineTuningCheckpoints,
    report: Callable[[str], None],
    seed: int = 0,
    hints: FeatureHints | None = None,
) -> None:
    """Fine-tune ``graph`` in place, and resume from the state in ``checkpoints``, if any.

    Args:
        graph: The body; its weights learn.
        rows: The rows to learn from.
        objective: The loss of each row.
        constraint: Applied after each step, and at the end with a progress of 1.
        config: Hyper-parameters.
        budget: Time of this attempt.
        checkpoints: Storage of the state of the fine-tuning.
        report: Receives progress messages of a few words.
        seed: Seed of the order of the rows.
        hints: Loss of hidden features, which is added to the objective.
    """
    weights = graph.named_weights()
    batch_loss = _BatchLoss(graph=graph, rows=rows, objective=objective, hints=hints, mixup=config.mixup)
    trainable = [*weights.values(), *(hints.parameters() if hints else ())]
    optimizer = torch.optim.Adam(trainable, lr=config.learning_rate, fused=True)
    steps_per_epoch = math.ceil(len(rows) / config.batch_size)
    total = max(1, round(config.epochs * steps_per_epoch))
    step = _load(batch_loss, optimizer, constraint, checkpoints.load())
    began, saved = step / total, budget.left
    progress = began
    while progress < 1:
        order = np.random.default_rng((seed, step // steps_per_epoch)).permutation(len(rows))
        for start in range(step % steps_per_epoch * config.batch_size, len(rows), config.batch_size):
            indices = order[start : start + config.batch_size]
            optimizer.zero_grad()
            loss = batch_loss.loss(indices, np.random.default_rng((seed, step, 1)))
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            torch.nn.utils.clip_grad_norm_(weights.values(), config.max_gradient_norm)
            constraint.before_step(weights)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * (1 + math.cos(math.pi * progress)) / 2
            optimizer.step()
            step += 1
            spent = 1 - budget.left / budget.seconds if budget.seconds else 1.0
            progress = min(1.0, max(step / total, began + (1 - began) * spent))
            constraint.after_step(weights, progress)
            if progress >= 1:
                break
            if saved - budget.left >= _CHECKPOINT_SECONDS:
                saved = budget.left
                checkpoints.save(_state(batch_loss, optimizer, constraint, step))
        report(f"fine-tuning {progress:.0%}, loss {loss.item():.4g}")
    constraint.after_step(weights, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _BatchLoss:
    """Computes the loss of a batch, whose rows are mixed with others if mixup is set."""

    graph: TorchGraph
    rows: TrainingRows
    objective: Objective
    hints: FeatureHints | None
    mixup: float

    def loss(self, indices: Indices, random: np.random.Generator) -> Tensor:
        """Return the loss of the rows with these ``indices``, a scalar."""
        inputs, partners, mixing_weight = self.rows.read(self.graph.inputs, indices), None, 1.0
        if self.mixup:
            partners, mixing_weight = random.permutation(indices), float(random.beta(self.mixup, self.mixup))
            inputs = mix_inputs(inputs, self.rows.read(self.graph.inputs, partners), mixing_weight, random)
        values = self.graph.compute(inputs)
        loss = self.objective.loss(values[self.graph.output], indices, partners, mixing_weight)
        return loss if self.hints is None else loss + self.hints(inputs, values)


def _state(batch_loss: _BatchLoss, optimizer: torch.optim.Optimizer, constraint: Constraint, step: int) -> bytes:
    buffer = BytesIO()
    state = {
        "weights": batch_loss.graph.state_dict(),
        "hints": batch_loss.hints.state_dict() if batch_loss.hints else {},
        "optimizer": optimizer.state_dict(),
        "constraint": constraint.state(),
        "step": step,
    }
    torch.save(state, buffer)
    return buffer.getvalue()


def _load(batch_loss: _BatchLoss, optimizer: torch.optim.Optimizer, constraint: Constraint, saved: bytes | None) -> int:
    """Load a saved state, and return the number of steps done before it was saved; 0 if there is none."""
    if saved is None:
        return 0
    state: dict[str, Any] = torch.load(BytesIO(saved), weights_only=True)
    batch_loss.graph.load_state_dict(state["weights"])
    if batch_loss.hints is not None:
        batch_loss.hints.load_state_dict(state["hints"])
    optimizer.load_state_dict(state["optimizer"])
    constraint.restore(state["constraint"])
    return int(state["step"])
