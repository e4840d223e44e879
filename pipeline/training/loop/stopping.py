"""When a network's training ends: by time, patience or privacy budget; and where it is in its schedule."""

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

_TIME_MARGIN = 0.95  # fraction of the time left that is planned: epochs differ
_STEPS_PER_SYNC = 64  # several processes ask their main one as often as this whether to stop

Action = Literal["continue", "checkpoint", "stop"]


def learning_rate_at(config: NetworkConfig, state: TrainingState, progress: float = 0.0) -> float:
    """Return the scheduled learning rate."""
    position = schedule_position(config, state, progress)
    return state.learning_rate * lr_factor(config, position, state.validation_losses)


def schedule_position(config: NetworkConfig, state: TrainingState, progress: float = 0.0) -> float:
    """Return the position in the schedule, in epochs; if time is short the schedule is compressed."""
    return float((state.epoch - 1 + progress) * config.epochs / (state.planned_epochs or config.epochs))


def last_epoch(components: TrainingComponents, state: TrainingState) -> int:
    """Return the last epoch that there is time for; a refit has as many as its folds found best."""
    last = int(state.planned_epochs or components.config.epochs)
    tuned = components.task.tuned
    return last if tuned is None else min(last, max(1, round(tuned["epochs"])))


def is_out_of_patience(components: TrainingComponents, state: TrainingState) -> bool:
    """Return whether ``early_stopping`` epochs brought no better validation loss, once averages are evaluated."""
    if components.task.tuned is not None:
        return False
    since = max(state.best_epoch, components.average.first_epoch - 1, components.compression.first_epoch - 1)
    return state.epoch - 1 - since >= int(components.config.early_stopping)


def fit_epochs_to_deadline(components: TrainingComponents, state: TrainingState) -> None:
    """Plan as many epochs as there is time for, so that the schedule ends where the training does."""
    context, epochs, trained = components.context, components.config.epochs, state.epoch - 1
    if trained >= (state.planned_epochs or epochs) or context.deadline == math.inf:
        return
    seconds_per_epoch = sum(point["seconds"] for point in state.history) / len(state.history)
    seconds_left = _TIME_MARGIN * (context.deadline - context.clock())
    affordable = max(trained + 1, min(epochs, trained + int(seconds_left / seconds_per_epoch)))
    affordable = components.strategy.broadcast(affordable)
    state.planned_epochs = affordable if affordable < epochs else 0


def note_time_out(state: TrainingState, epoch: int, config: NetworkConfig) -> None:
    """Note that time ran out, once: it may do so before the last planned epoch."""
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
