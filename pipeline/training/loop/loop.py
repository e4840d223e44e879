"""The training loop of the networks: epochs, steps, validation, checkpoints and early stopping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import RunContext, TrainingTask
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.loop.batching import BatchRows, iterate_batches
from pipeline.training.loop.checkpoints import load_checkpoint, save_checkpoint, save_final_checkpoint
from pipeline.training.loop.dense import Dense, supports_manual_backward
from pipeline.training.loop.device_data import DeviceData
from pipeline.training.loop.dp_sgd import PRIVACY_NOTE, DpSgd, replace_batch_norm
from pipeline.training.loop.fine_tuning import load_pretrained
from pipeline.training.loop.inputs import InputReader
from pipeline.training.loop.losses import make_loss
from pipeline.training.loop.metrics import peak_memory_mb
from pipeline.training.loop.state import TrainingComponents, TrainingState
from pipeline.training.loop.stopping import (
    Action,
    fit_epochs_to_deadline,
    is_out_of_patience,
    last_epoch,
    learning_rate_at,
    next_action,
    note_time_out,
    schedule_position,
)
from pipeline.training.loop.train_step import (
    add_penalty_gradients,
    backward,
    clip_gradients,
    compute_losses,
    evaluate,
    forward,
    mix_up,
    retry_on_oom,
    update_bn,
    zero_gradients,
)
from pipeline.training.optim.optimizers import WeightOptimizer
from pipeline.training.optim.weight_average import WeightAverage
from pipeline.training.optim.weight_compression import WeightCompression

__all__ = ["TrainedNetwork", "train_network"]

_DIVERGENCE_LR_FACTOR = 0.1  # factor of the learning rate with which a diverged training resumes, once


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedNetwork:
    """A trained network.

    Args:
        network: The network with the weights of ``best_epoch``, on the CPU and in evaluation mode.
        history: The learning curve, one point per epoch.
        notes: Notes for the model card.
        privacy: ``epsilon`` and ``delta`` that a private training spent; else empty.
        best_epoch: The epoch whose weights were kept: the one with the lowest validation loss, or the last one of a
            private training or a refit; 0: the initial weights.
    """

    network: nn.Module
    history: tuple[dict[str, float], ...]
    notes: tuple[str, ...] = ()
    privacy: dict[str, float] = field(default_factory=dict)
    best_epoch: int = 0


def train_network(
    build: Callable[[], nn.Module], reads: InputReader, config: NetworkConfig, task: TrainingTask, context: RunContext
) -> TrainedNetwork:
    """Train a network until its validation loss stops improving.

    Args:
        build: Builds the network; called after the seed is set. The network returns logits [batch, classes] or
            standardized values [batch, losses.outputs_of]. An ensemble returns [batch, members, outputs]; each member
            has its own loss, and the ensemble predicts their mean. In training mode the network augments its inputs.
        reads: Converts rows to the inputs of the network's ``forward``.
        config: Hyper-parameters.
        task: The training and validation rows, and the objective.
        context: Device, deadline, checkpoints and observers of the training.

    Raises:
        CandidateFailedError: The loss is still non-finite at a tenth of the learning rate, a single row does not fit
            into memory, or the network does not support a setting.
    """
    _configure_torch(context, task.seed)
    network, group_norm_notes = replace_batch_norm(build()) if config.privacy_epsilon else (build(), ())
    pretrained_notes = load_pretrained(network, config, task)
    components = _make_components(network.to(context.device), reads, config, task, context)
    strategy = components.strategy
    initial = TrainingState(
        learning_rate=config.learning_rate,
        loss=torch.zeros((), device=context.device),
        best_weights=strategy.weights(components.model),
    )
    state = load_checkpoint(components, initial)
    for point in state.history:
        context.watch(point)
    _train(components, state)
    save_final_checkpoint(components, state)
    if state.planned_epochs and state.epoch > state.planned_epochs:
        note_time_out(state, state.planned_epochs, config)
    if components.dp_sgd:
        components.dp_sgd.close()
        state.add_note(PRIVACY_NOTE)
    if strategy.is_main:  # the other processes have no copy of the weights
        network.load_state_dict(state.best_weights)
    return TrainedNetwork(
        network=network.cpu().eval(),
        history=tuple(state.history),
        notes=(*group_norm_notes, *pretrained_notes, *state.notes),
        privacy=components.dp_sgd.privacy_spent(state.all_steps) if components.dp_sgd else {},
        best_epoch=state.best_epoch,
    )


def _configure_torch(context: RunContext, seed: int) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(context.threads)
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms would import the compiler (1 s)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch does not type it
    if context.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")  # TF32


def _make_components(
    network: nn.Module, reads: InputReader, config: NetworkConfig, task: TrainingTask, context: RunContext
) -> TrainingComponents:
    strategy = make_strategy(config.parallel, context.process, context.device)
    model = strategy.wrap(network)
    strategy.seed_ranks(task.seed)
    optimizer = WeightOptimizer(model, config)
    train, validation = (
        DeviceData.of(reads, replace(rows, weight=task.loss_weight(rows)), context.device)
        for rows in (task.train, task.validation)
    )
    return TrainingComponents(
        config=config,
        task=task,
        context=context,
        model=model,
        loss=make_loss(config, task),
        optimizer=optimizer,
        average=WeightAverage(model, config),
        compression=WeightCompression(model, config),
        strategy=strategy,
        dp_sgd=DpSgd(model, optimizer, config, task, context) if config.privacy_epsilon else None,
        dense=network if isinstance(network, Dense) and supports_manual_backward(config, task) else None,
        train=train,
        validation=validation,
    )


def _train(components: TrainingComponents, state: TrainingState) -> None:
    """Run the remaining epochs until time, patience or privacy budget is exhausted."""
    clock, strategy = components.context.clock, components.strategy
    action, saved_at = "continue", clock()
    while (
        action != "stop" and state.epoch <= last_epoch(components, state) and not is_out_of_patience(components, state)
    ):
        started = clock() - state.seconds
        action, saved_at = _train_epoch(components, state, started, saved_at)
        train_loss = strategy.all_reduce_mean(state.loss).item() / max(1, state.rows)  # item() waits for the device
        seconds = clock() - started
        validation_loss, metric = _validate(components, state, train_loss, is_last=action == "stop")
        if not math.isfinite(train_loss + validation_loss):
            _recover_from_divergence(components, state, is_last=action == "stop")
            continue
        point = {
            "epoch": state.epoch,
            "loss": train_loss,
            "validation_loss": validation_loss,
            **metric,
            "learning_rate": learning_rate_at(components.config, state),
            "rows_per_second": state.rows / seconds,
            "memory_mb": peak_memory_mb(components.device),
            "seconds": clock() - started,
        }
        _publish_point(components, state, point)
        state.start_epoch(state.epoch + 1)
        fit_epochs_to_deadline(components, state)
        if next_action(components, state, saved_at, epoch_ended=True) == "checkpoint":
            save_checkpoint(components, state)
            saved_at = clock()


def _train_epoch(
    components: TrainingComponents, state: TrainingState, started: float, saved_at: float
) -> tuple[Action, float]:
    """Take the remaining steps of the epoch; return whether to stop, and the time of the last checkpoint."""
    clock = components.context.clock
    components.model.train()
    for progress, batch in _remaining_batches(components, state):
        _train_step(components, batch, progress, state)
        action = next_action(components, state, saved_at)
        if action == "stop":
            return action, saved_at
        if action == "checkpoint":
            state.seconds = clock() - started
            save_checkpoint(components, state)
            saved_at = clock()
    return "continue", saved_at


def _validate(
    components: TrainingComponents, state: TrainingState, train_loss: float, *, is_last: bool
) -> tuple[float, dict[str, float]]:
    """Evaluate the weights, or their average; keep them if they are the best. Return validation loss and metric."""
    strategy, average = components.strategy, components.average
    if is_last:
        components.compression.finish()
    average.after_epoch(state.epoch)
    with average.applied():
        if average.needs_bn_update:
            update_bn(components, state)
        rows = len(components.validation)
        loss, metric = retry_on_oom(components, state, rows, partial(evaluate, components))
        validation_loss = strategy.all_reduce_mean(loss).item()
        if math.isfinite(train_loss) and _is_best(components, state, validation_loss, is_last=is_last):
            state.best_loss, state.best_epoch = validation_loss, state.epoch
            state.best_weights = strategy.weights(components.model)
    return validation_loss, metric


def _publish_point(components: TrainingComponents, state: TrainingState, point: dict[str, float]) -> None:
    """Add a point to the learning curve, and report it; the losses of a private training are not published."""
    state.history.append(components.dp_sgd.publishable(point) if components.dp_sgd else point)
    components.context.watch(state.history[-1])
    loss_text = "" if components.dp_sgd else f", validation loss {point['validation_loss']:.4f}"
    components.context.report(f"epoch {state.epoch} of {components.config.epochs}{loss_text}")


def _train_step(components: TrainingComponents, batch: Tensor, progress: float, state: TrainingState) -> None:
    """Take one training step: gradients, noise, penalties, clipping, optimizer, weight compression, averaging.

    Args:
        components: The components of the training.
        batch: Indices of the batch's rows [rows].
        progress: Fraction of the epoch before this step.
        state: State of the training, updated in place.
    """
    rows, loss_scale = components.strategy.shard_batch(batch)
    compute = partial(_compute_gradients, components, rows, loss_scale)
    loss = retry_on_oom(components, state, len(rows), compute)
    if components.dp_sgd:
        components.dp_sgd.add_noise()
    add_penalty_gradients(components)
    clip_gradients(components)
    components.optimizer.step(learning_rate_at(components.config, state, progress))
    components.compression.after_step(schedule_position(components.config, state, progress))
    components.average.after_step()
    state.update(loss, len(batch))


def _compute_gradients(components: TrainingComponents, rows: Tensor, loss_scale: float, max_rows: int) -> Tensor:
    """Run forward, loss and backward for the rows; set ``grad`` of the weights to the gradient of the mean loss.

    Args:
        components: The components of the training.
        rows: Indices of this process's rows of the batch [rows].
        loss_scale: Factor of the mean loss.
        max_rows: Maximum number of rows of one forward pass; the gradients of several passes are added.

    Returns:
        The mean loss times ``loss_scale`` [].
    """
    if components.dense and len(rows) <= max_rows:
        batch = components.train.select(rows)
        (inputs,) = batch.inputs
        return components.dense.forward_backward(inputs, batch.target, loss_scale)
    zero_gradients(components)
    scale = torch.tensor(loss_scale / max(1, len(rows)), device=components.device)
    total = torch.zeros((), device=components.device)
    for micro_batch in torch.split(rows, max_rows) if len(rows) > max_rows else (rows,):
        batch = mix_up(components, components.train.select(micro_batch))
        outputs = forward(components, batch.inputs)
        loss = compute_losses(components, outputs, batch).sum()
        backward(components, loss, scale)
        total = torch.addcmul(total, loss.detach(), scale)
    return total


def _is_best(components: TrainingComponents, state: TrainingState, validation_loss: float, *, is_last: bool) -> bool:
    """Return whether the epoch's weights replace the best ones; private trainings and refits keep the last weights."""
    keeps_last = components.dp_sgd is not None or components.task.tuned is not None
    if not (validation_loss < state.best_loss or keeps_last):
        return False
    return is_last or schedule_position(components.config, state, 1.0) >= components.compression.first_epoch


def _remaining_batches(components: TrainingComponents, state: TrainingState) -> Iterator[BatchRows]:
    """Yield the batches of the epoch from the current step on."""
    if components.dp_sgd:
        return components.dp_sgd.iterate_batches(state.step)
    return iterate_batches(
        components.config, components.task, components.device, epoch=state.epoch, first_step=state.step
    )


def _recover_from_divergence(components: TrainingComponents, state: TrainingState, *, is_last: bool) -> None:
    """Resume from the best weights with a tenth of the learning rate, once.

    Raises:
        CandidateFailedError: The training diverged before, or there is no time for another attempt.
    """
    where = f"in epoch {state.epoch} (learning rate {state.learning_rate:g})"
    if state.diverged or is_last:
        before = f", before that {state.diverged}" if state.diverged else ""
        raise CandidateFailedError(f"the loss became non-finite {where}{before}: a lower learning rate is expected")
    state.diverged = where
    state.learning_rate *= _DIVERGENCE_LR_FACTOR
    state.add_note(f"the loss became non-finite {where}; resumed from the best weights with {state.learning_rate:g}")
    components.strategy.load(components.model, state.best_weights)
    components.optimizer.reset()
    components.average.reset()
    components.compression.reset(components.compression.position)
    state.start_epoch(state.epoch)
