"""Train several trials of a small network at once, with their weights stacked in batched operations.

More threads do not speed up a step of a small network, and on one thread the overhead of the operations exceeds their
arithmetic. So trials that differ only in learning rate and weight decay are stacked, one stack per thread, with a
manual backward pass like that of training.loop.dense. Each trial has its own best epoch and patience, and the same
initial weights and batches as if it were trained alone.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.algorithm import FittedModel, RunContext, TrainingTask
from pipeline.training.loop.batching import iterate_batches
from pipeline.training.loop.dense import cross_entropies
from pipeline.training.loop.fit import to_fitted_model
from pipeline.training.loop.inputs import columns, split_blocks
from pipeline.training.loop.loop import TrainedNetwork
from pipeline.training.networks.images import PixelMLP, to_unit_range
from pipeline.training.optim.schedules import lr_factor

__all__ = ["can_stack", "fit_stacked"]

_PER_TRIAL_SETTINGS = {"learning_rate", "weight_decay"}  # settings that trials may differ in
_DISABLED_SETTINGS = {
    "batching": "fixed", "loss": None, "label_smoothing": 0.0, "l1": 0.0, "l2": 0.0, "max_gradient_norm": 0.0,
    "mixup": 0.0, "averaging": "none", "precision": "fp32", "privacy_epsilon": 0.0, "parallel": "none",
    "base_model": "", "freeze": False,
}  # fmt: skip
_OPTIMIZERS = ("adam", "adamw")
_MAX_ROWS = 2048  # validation rows per block
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's defaults


def can_stack(trials: Sequence[NetworkConfig], task: TrainingTask, context: RunContext) -> bool:
    """Return whether trials can be stacked.

    They must classify images on the CPU with Adam, use no setting that changes a training step, and differ only in
    learning rate and weight decay.
    """
    first = trials[0]
    shared = [trial.model_dump(exclude=_PER_TRIAL_SETTINGS) for trial in trials]
    return (
        len(trials) > 1
        and all(settings == shared[0] for settings in shared)
        and first.optimizer in _OPTIMIZERS
        and first.model_dump(include=set(_DISABLED_SETTINGS)) == _DISABLED_SETTINGS
        and task.train.image.size > 0
        and task.classes > 0
        and task.train.weight is None
        and context.device == "cpu"
    )


def fit_stacked(trials: Sequence[NetworkConfig], task: TrainingTask, context: RunContext) -> list[FittedModel] | None:
    """Train several trials at once; ``can_stack`` must be true for them.

    A trial whose loss becomes non-finite returns its best weights before that.

    Returns:
        A model per trial; None if the deadline passes first.
    """
    torch.manual_seed(task.seed)
    config = trials[0]
    network = PixelMLP(task.train.image, outputs=task.classes, hidden=config.hidden, dropout=0.0)
    trials_per_stack = -(-len(trials) // context.threads)
    stacks = [
        _Stack(network, trials[first : first + trials_per_stack], task, first)
        for first in range(0, len(trials), trials_per_stack)
    ]
    torch.set_num_threads(1)  # the parallelism is over stacks
    try:
        if not _train_stacks(stacks, config.epochs, config.early_stopping, task, context):
            return None
    finally:
        torch.set_num_threads(context.threads)
    return [
        to_fitted_model(network_of_trial, columns("image"), config, task)
        for stack in stacks
        for network_of_trial in stack.best_networks(network)
    ]


def _train_stacks(
    stacks: Sequence[_Stack], epochs: int, patience: int, task: TrainingTask, context: RunContext
) -> bool:
    """Train until the last epoch, or until no trial has improved for ``patience`` epochs.

    Returns:
        False if the deadline passes first.
    """
    trials = sum(len(stack.best_loss) for stack in stacks)
    with ThreadPoolExecutor(len(stacks)) as pool:
        for epoch in range(1, epochs + 1):
            list(pool.map(_Stack.train_epoch, stacks, itertools.repeat(epoch)))
            lowest_loss = min(loss for stack in stacks for loss in stack.best_loss)
            context.report(f"epoch {epoch} of {epochs}, {trials} trials, loss {lowest_loss:.4f}")
            if all(epoch - best_epoch >= patience for stack in stacks for best_epoch in stack.best_epoch):
                break
            if context.clock() >= context.deadline:
                return False
    return True


class _Stack:
    """Trials that one thread trains; each layer has weights [trials, out, in] and biases [trials, 1, out].

    Args:
        network: The network with the initial weights.
        trials: Settings of the trials.
        task: The training and validation rows.
        first: Index of the stack's first trial among all trials, part of the seed of dropout.
    """

    def __init__(self, network: PixelMLP, trials: Sequence[NetworkConfig], task: TrainingTask, first: int) -> None:
        self._task, self._trials, self._config = task, trials, trials[0]
        weights = [layer.weight.detach() for layer in network.layers]
        biases = [layer.bias.detach().unsqueeze(0) for layer in network.layers]
        self._weights, self._biases = _stacked(weights, len(trials)), _stacked(biases, len(trials))
        self._parameters = [*self._weights, *self._biases]
        self._gradients = [torch.zeros_like(tensor) for tensor in self._parameters]
        means = [[torch.zeros_like(tensor) for tensor in self._parameters] for _ in range(2)]
        tensor_groups = [self._parameters, self._gradients, *means]
        self._tensors_of_trials = [
            [[tensor[trial] for tensor in tensors] for tensors in tensor_groups] for trial in range(len(trials))
        ]
        self._steps = [torch.zeros(())] * len(self._parameters)  # one shared tensor: all have the same number of steps
        self._dropout_generator = torch.Generator().manual_seed(task.seed + first)
        self._histories: list[list[dict[str, float]]] = [[] for _ in trials]
        self._best = [tensor.clone() for tensor in self._parameters]
        self.best_loss, self.best_epoch = [math.inf] * len(trials), [0] * len(trials)

    @torch.inference_mode()
    def train_epoch(self, epoch: int) -> None:
        """Train an epoch, measure each trial, and keep the weights of those that improved."""
        started, task, config = time.perf_counter(), self._task, self._config
        image, target = torch.from_numpy(task.train.image), torch.from_numpy(task.train.target)
        total = torch.zeros(len(self._trials))
        losses = [[point["validation_loss"] for point in history] for history in self._histories]
        for passed, rows in iterate_batches(config, task, "cpu", epoch=epoch, first_step=0):
            rates = [
                trial.learning_rate * lr_factor(config, epoch - 1 + passed, losses_of_trial)
                for trial, losses_of_trial in zip(self._trials, losses, strict=True)
            ]
            inputs, target_batch = to_unit_range(image.index_select(0, rows)), target.index_select(0, rows)
            total += self._step(inputs, target_batch, rates) * len(rows)
        validation_losses = self._validation_losses()
        for trial, (loss, history) in enumerate(zip(validation_losses, self._histories, strict=True)):
            history.append({
                "epoch": epoch,
                "loss": total[trial].item() / len(target),
                "validation_loss": loss,
                "learning_rate": rates[trial],
                "seconds": (time.perf_counter() - started) / len(validation_losses),
            })  # fmt: skip
            if loss < self.best_loss[trial] and epoch - self.best_epoch[trial] <= config.early_stopping:
                self.best_loss[trial], self.best_epoch[trial] = loss, epoch
                for best, tensor in zip(self._best, self._parameters, strict=True):
                    best[trial] = tensor[trial]

    def best_networks(self, network: PixelMLP) -> Iterator[TrainedNetwork]:
        """Yield a copy of ``network`` with the best weights of each trial."""
        for trial, history in enumerate(self._histories):
            trained_network = copy.deepcopy(network)
            parameters = [
                *(layer.weight for layer in trained_network.layers),
                *(layer.bias for layer in trained_network.layers),
            ]
            with torch.no_grad():
                for parameter, best in zip(parameters, self._best, strict=True):
                    parameter.copy_(best[trial].view_as(parameter))
            yield TrainedNetwork(network=trained_network.eval(), history=tuple(history))

    def _forward(self, inputs: Tensor, masks: list[Tensor] | None = None) -> list[Tensor]:
        """Return the input of each layer after the first, and the logits: each [trials, rows, units].

        The first layer is wide, and its input is the same for all trials. It is computed trial by trial, so that the
        weights of a trial stay in the processor's cache.

        Args:
            inputs: Pixels [rows, pixels].
            masks: Receives the dropout masks of each hidden layer; None: no dropout.
        """
        first_outputs = torch.empty(len(self._trials), len(inputs), self._weights[0].shape[1])
        for outputs_of_trial, weight, bias in zip(
            first_outputs.unbind(), self._weights[0].unbind(), self._biases[0].unbind(), strict=True
        ):
            torch.addmm(bias, inputs, weight.t(), out=outputs_of_trial)
        activations = [first_outputs]
        for weight, bias in zip(self._weights[1:], self._biases[1:], strict=True):
            activations[-1].relu_()
            if masks is not None and self._config.dropout:
                keep_probability = 1 - self._config.dropout
                masks.append(
                    torch.empty_like(activations[-1])
                    .bernoulli_(keep_probability, generator=self._dropout_generator)
                    .div_(keep_probability)
                )
                activations[-1].mul_(masks[-1])
            activations.append(torch.baddbmm(bias, activations[-1], weight.transpose(1, 2)))
        return activations

    def _step(self, inputs: Tensor, target: Tensor, rates: Sequence[float]) -> Tensor:
        """Take a step with a batch; return the mean loss of each trial before the step [trials]."""
        masks: list[Tensor] = []
        *activations, logits = self._forward(inputs, masks)
        rows = target.repeat(len(self._trials))
        losses, gradient = cross_entropies(logits.flatten(0, 1), rows, row_weight=1 / len(target))
        gradient = gradient.view_as(logits)
        weights, biases = self._gradients[: len(self._weights)], self._gradients[len(self._weights) :]
        for layer in reversed(range(1, len(self._weights))):
            torch.bmm(gradient.transpose(1, 2), activations[layer - 1], out=weights[layer])
            torch.sum(gradient, 1, keepdim=True, out=biases[layer])
            backpropagated = torch.bmm(gradient, self._weights[layer])
            gradient = torch.ops.aten.threshold_backward(backpropagated, activations[layer - 1], 0)
            if masks:
                gradient.mul_(masks[layer - 1])
        for gradient_of_trial, weight in zip(gradient.unbind(), weights[0].unbind(), strict=True):
            torch.mm(gradient_of_trial.t(), inputs, out=weight)
        torch.sum(gradient, 1, keepdim=True, out=biases[0])
        self._adam(rates)
        return losses.view(len(self._trials), -1).mean(1)

    def _adam(self, rates: Sequence[float]) -> None:
        """Take a step of AdamW, as WeightOptimizer does (Kingma and Ba 2015; Loshchilov and Hutter 2019)."""
        self._steps[0].add_(1)
        for (tensors, gradients, first, second), rate, config in zip(
            self._tensors_of_trials, rates, self._trials, strict=True
        ):
            torch._fused_adamw_(
                tensors, gradients, first, second, [], self._steps, lr=rate, weight_decay=config.weight_decay,
                beta1=_BETA_1, beta2=_BETA_2, eps=_EPSILON, amsgrad=False, maximize=False,
            )  # fmt: skip

    def _validation_losses(self) -> list[float]:
        rows = self._task.validation
        image, target = torch.from_numpy(rows.image), torch.from_numpy(rows.target)
        total = torch.zeros(len(self._trials))
        for image_block, target_block in split_blocks(image, target, max_rows=_MAX_ROWS):
            logits = self._forward(to_unit_range(image_block))[-1].flatten(0, 1)
            losses, _ = cross_entropies(logits, target_block.repeat(len(self._trials)), row_weight=1.0)
            total += losses.view(len(self._trials), -1).sum(1)
        mean_losses: list[float] = (total / len(target)).tolist()
        return mean_losses


def _stacked(tensors: Sequence[Tensor], trials: int) -> list[Tensor]:
    return [torch.stack([tensor] * trials) for tensor in tensors]
