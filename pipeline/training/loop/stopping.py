"""Decide when a training ends (time, patience or privacy budget), and its position in the learning-rate schedule."""

from __future__ import annotations

import math
from typing import Literal

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.loop.state import TrainingComponents, TrainingState
from pipeline.training.optim.schedules import lr_factor

__all__ = [
    "Action",
    "fit_epochs_to_deadline",
    "is_out_of_patience",
    "last_epoch",
    "learning_rate_at",
    "next_action",
    "note_time_out",
    "schedule_position",
]

_TIME_MARGIN = 0.95  # fraction of the remaining time to fill with epochs, since their durations vary
_STEPS_PER_SYNC = 64  # after so many steps, the main process tells the other processes whether to stop

Action = Literal["continue", "checkpoint", "stop"]


def learning_rate_at(config: NetworkConfig, state: TrainingState, progress: float = 0.0) -> float:
    """Return the scheduled learning rate."""
    position = schedule_position(config, state, progress)
    return state.learning_rate * lr_factor(config, position, state.validation_losses)


def schedule_position(config: NetworkConfig, state: TrainingState, progress: float = 0.0) -> float:
    """Return the position in the schedule, in epochs; if time is too short for all, the schedule is compressed."""
    return float((state.epoch - 1 + progress) * config.epochs / (state.planned_epochs or config.epochs))


def last_epoch(components: TrainingComponents, state: TrainingState) -> int:
    """Return the last epoch that fits into the time limit; a refit trains as many epochs as its folds found best."""
    last = int(state.planned_epochs or components.config.epochs)
    tuned = components.task.tuned
    return last if tuned is None else min(last, max(1, round(tuned["epochs"])))


def is_out_of_patience(components: TrainingComponents, state: TrainingState) -> bool:
    """Return whether the validation loss has not improved for ``early_stopping`` epochs; False for a refit.

    Epochs before weight averaging starts, or before weight compression is complete, do not count.
    """
    if components.task.tuned is not None:
        return False
    since = max(state.best_epoch, components.average.first_epoch - 1, components.compression.first_epoch - 1)
    return state.epoch - 1 - since >= int(components.config.early_stopping)


def fit_epochs_to_deadline(components: TrainingComponents, state: TrainingState) -> None:
    """Plan as many epochs as fit into the time limit, so that the schedule ends with the training."""
    context, epochs, trained = components.context, components.config.epochs, state.epoch - 1
    if trained >= (state.planned_epochs or epochs) or context.deadline == math.inf:
        return
    seconds_per_epoch = sum(point["seconds"] for point in state.history) / len(state.history)
    seconds_left = _TIME_MARGIN * (context.deadline - context.clock())
    affordable = max(trained + 1, min(epochs, trained + int(seconds_left / seconds_per_epoch)))
    affordable = components.strategy.broadcast(affordable)
    state.planned_epochs = affordable if affordable < epochs else 0


def note_time_out(state: TrainingState, epoch: int, config: NetworkConfig) -> None:
    """Note that time ran out in ``epoch``; the note replaces an earlier one, for example of the planned epochs."""
    cause = "training time ran out"
    text = f"{cause} in epoch {epoch} of {config.epochs}; the best weights so far were kept"
    state.add_note(text, replace_prefix=cause)


def next_action(
    components: TrainingComponents, state: TrainingState, saved_at: float, *, epoch_ended: bool = False
) -> Action:
    """Return what the main process decides to do next."""
    strategy = components.strategy
    if strategy.process.size > 1 and not epoch_ended and state.step % _STEPS_PER_SYNC:
        return "continue"
    return strategy.broadcast(_local_action(components, state, saved_at, epoch_ended=epoch_ended))


def _local_action(
    components: TrainingComponents, state: TrainingState, saved_at: float, *, epoch_ended: bool
) -> Action:
    now, context, dp_sgd = components.context.clock(), components.context, components.dp_sgd
    if now >= context.deadline and not epoch_ended:
        note_time_out(state, state.epoch, components.config)
        return "stop"
    if dp_sgd and dp_sgd.is_budget_exhausted(state.all_steps) and not epoch_ended:
        return "stop"
    interval = context.checkpoints.seconds
    return "checkpoint" if (epoch_ended if interval == 0 else now - saved_at >= interval) else "continue"
