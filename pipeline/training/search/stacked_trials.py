"""Trials of one small network side by side: each step is taken by several of them at once.

More threads make the step of a small network no faster, and on one thread it spends more time between its operations
than in them. So trials that differ in their learning rate and weight decay alone are stacked, a stack a thread; their
gradient is written out, as in training.loop.dense. Each keeps its own best epoch and its own patience, and learns what
it would have learned alone, from the same weights and the same batches.
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

from pipeline.training.algorithm import FittedModel, Problem, Settings
from pipeline.training.loop.batching import iterate_batches
from pipeline.training.loop.dense import cross_entropies
from pipeline.training.loop.fit import to_fitted_model
from pipeline.training.loop.inputs import split_blocks
from pipeline.training.loop.loop import TrainedNetwork
from pipeline.training.networks.images import READS, PixelMLP, to_unit_range
from pipeline.training.optim.schedules import lr_factor

__all__ = ["can_stack", "fit_stacked"]

_OWN = ("learning_rate", "weight_decay")  # what trials may differ in
_DISABLED_SETTINGS = {
    "batching": "fixed", "loss": None, "label_smoothing": 0.0, "l1": 0.0, "l2": 0.0, "max_gradient_norm": 0.0,
    "mixup": 0.0, "averaging": "none", "precision": "fp32", "privacy_epsilon": 0.0, "parallel": "none",
    "base_model": "", "freeze": False,
}  # fmt: skip
_OPTIMIZERS = ("adam", "adamw")
_MOST_ROWS = 2048  # that are answered at once, by all trials
_FIRST, _SECOND, _LEAST = 0.9, 0.999, 1e-8  # Adam's own constants


def can_stack(trials: Sequence[Settings], problem: Problem) -> bool:
    """Several trials over pixels, that classify with Adam and no other knob, alike in all but ``_OWN``."""
    first = trials[0]
    shared = [{name: value for name, value in one.items() if name not in _OWN} for one in trials]
    return (
        len(trials) > 1
        and all(one == shared[0] for one in shared)
        and first["optimizer"] in _OPTIMIZERS
        and all(first[name] == value for name, value in _DISABLED_SETTINGS.items())
        and problem.train.image.size > 0
        and problem.classes > 0
        and problem.train.weight is None
        and problem.device == "cpu"
    )


def fit_stacked(trials: Sequence[Settings], problem: Problem) -> list[FittedModel] | None:
    """What each of the trials learns, which ``can_stack``; of one whose loss is no number, the best before.

    None when the time is over first.
    """
    torch.manual_seed(problem.seed)
    settings = trials[0]
    network = PixelMLP(problem.train.image, outputs=problem.classes, hidden=settings["hidden"], dropout=0.0)
    share = -(-len(trials) // problem.threads)
    stacks = [_Stack(network, trials[first : first + share], problem, first) for first in range(0, len(trials), share)]
    torch.set_num_threads(1)  # each thread has trials of its own
    try:
        if not _learn(stacks, settings["epochs"], settings["early_stopping"], problem):
            return None
    finally:
        torch.set_num_threads(problem.threads)
    return [to_fitted_model(one, READS, settings, problem) for stack in stacks for one in stack.learned(network)]


def _learn(stacks: Sequence[_Stack], epochs: int, patience: int, problem: Problem) -> bool:
    """Until the last epoch, or none of them became better for so long; False when the time is over first."""
    trials = sum(len(stack.best_loss) for stack in stacks)
    with ThreadPoolExecutor(len(stacks)) as pool:
        for epoch in range(1, epochs + 1):
            list(pool.map(_Stack.learn, stacks, itertools.repeat(epoch)))
            least = min(loss for stack in stacks for loss in stack.best_loss)
            problem.report(f"epoch {epoch} of {epochs}, {trials} trials, loss {least:.4f}")
            if all(epoch - one >= patience for stack in stacks for one in stack.best_epoch):
                break
            if time.monotonic() >= problem.deadline:
                return False
    return True


class _Stack:
    """Trials that one thread trains: of each layer the weights [trials, to, from] and biases [trials, 1, to]."""

    def __init__(self, network: PixelMLP, trials: Sequence[Settings], problem: Problem, first: int) -> None:
        """``first``: the place of the first of ``trials`` among all."""
        self._problem, self._trials, self._settings = problem, trials, trials[0]
        weights = [layer.weight.detach() for layer in network.layers]
        biases = [layer.bias.detach().unsqueeze(0) for layer in network.layers]
        self._weights, self._biases = _stacked(weights, len(trials)), _stacked(biases, len(trials))
        self._parts = [*self._weights, *self._biases]
        self._gradients = [torch.zeros_like(part) for part in self._parts]
        means = [[torch.zeros_like(part) for part in self._parts] for _ in range(2)]
        kept = [self._parts, self._gradients, *means]
        self._each = [[[part[place] for part in parts] for parts in kept] for place in range(len(trials))]
        self._steps = [torch.zeros(())] * len(self._parts)  # all have taken the same steps
        self._drops = torch.Generator().manual_seed(problem.seed + first)
        self._histories: list[list[dict[str, float]]] = [[] for _ in trials]
        self._best = [part.clone() for part in self._parts]
        self.best_loss, self.best_epoch = [math.inf] * len(trials), [0] * len(trials)

    @torch.inference_mode()
    def learn(self, epoch: int) -> None:
        """All batches of it; then each trial is measured, and what is its best is kept."""
        started, problem, settings = time.perf_counter(), self._problem, self._settings
        image, target = torch.from_numpy(problem.train.image), torch.from_numpy(problem.train.target)
        total = torch.zeros(len(self._trials))
        losses = [[point["validation_loss"] for point in history] for history in self._histories]
        alike = settings["schedule"] != "plateau"  # which alone looks at a trial's losses
        for passed, rows in iterate_batches(settings, problem, epoch=epoch, first_step=0):
            factors = [lr_factor(settings, epoch - 1 + passed, known) for known in (losses[:1] if alike else losses)]
            rates = [one["learning_rate"] * factors[0 if alike else place] for place, one in enumerate(self._trials)]
            given, wanted = to_unit_range(image.index_select(0, rows)), target.index_select(0, rows)
            total += self._step(given, wanted, rates) * len(rows)
        found = self._validation_losses()
        for place, (loss, history) in enumerate(zip(found, self._histories, strict=True)):
            history.append({
                "epoch": epoch,
                "loss": total[place].item() / len(target),
                "validation_loss": loss,
                "learning_rate": rates[place],
                "seconds": (time.perf_counter() - started) / len(found),
            })  # fmt: skip
            if loss < self.best_loss[place] and epoch - self.best_epoch[place] <= settings["early_stopping"]:
                self.best_loss[place], self.best_epoch[place] = loss, epoch
                for best, part in zip(self._best, self._parts, strict=True):
                    best[place] = part[place]

    def learned(self, network: PixelMLP) -> Iterator[TrainedNetwork]:
        """Of each trial the best."""
        for place, history in enumerate(self._histories):
            own = copy.deepcopy(network)
            parts = [*(layer.weight for layer in own.layers), *(layer.bias for layer in own.layers)]
            with torch.no_grad():
                for part, best in zip(parts, self._best, strict=True):
                    part.copy_(best[place].view_as(part))
            yield TrainedNetwork(network=own.eval(), history=tuple(history))

    def _answers(self, given: Tensor, masks: list[Tensor] | None = None) -> list[Tensor]:
        """What each layer but the first is given, and last what is answered: [trials, rows, ...].

        The first layer is wide, and all trials are given the same: one at a time its weights stay near the processor.
        """
        answer = torch.empty(len(self._trials), len(given), self._weights[0].shape[1])
        for own, weight, bias in zip(answer.unbind(), self._weights[0].unbind(), self._biases[0].unbind(), strict=True):
            torch.addmm(bias, given, weight.t(), out=own)
        found = [answer]
        for weight, bias in zip(self._weights[1:], self._biases[1:], strict=True):
            found[-1].relu_()
            if masks is not None and self._settings["dropout"]:
                stay = 1 - self._settings["dropout"]
                masks.append(torch.empty_like(found[-1]).bernoulli_(stay, generator=self._drops).div_(stay))
                found[-1].mul_(masks[-1])
            found.append(torch.baddbmm(bias, found[-1], weight.transpose(1, 2)))
        return found

    def _step(self, given: Tensor, target: Tensor, rates: Sequence[float]) -> Tensor:
        """Learn from a batch; the mean loss [trials] before. The gradient is written where it is kept."""
        masks: list[Tensor] = []
        *found, answers = self._answers(given, masks)
        rows = target.repeat(len(self._trials))
        losses, gradient = cross_entropies(answers.flatten(0, 1), rows, row_weight=1 / len(target))
        gradient = gradient.view_as(answers)
        weights, biases = self._gradients[: len(self._weights)], self._gradients[len(self._weights) :]
        for place in reversed(range(1, len(self._weights))):
            torch.bmm(gradient.transpose(1, 2), found[place - 1], out=weights[place])
            torch.sum(gradient, 1, keepdim=True, out=biases[place])
            back = torch.bmm(gradient, self._weights[place])
            gradient = torch.ops.aten.threshold_backward(back, found[place - 1], 0)
            if masks:
                gradient.mul_(masks[place - 1])
        for own, weight in zip(gradient.unbind(), weights[0].unbind(), strict=True):
            torch.mm(own.t(), given, out=weight)
        torch.sum(gradient, 1, keepdim=True, out=biases[0])
        self._adam(rates)
        return losses.view(len(self._trials), -1).mean(1)

    def _adam(self, rates: Sequence[float]) -> None:
        """Kingma and Ba 2015; weight decay decoupled from it (Loshchilov and Hutter 2019), as Descent has it."""
        self._steps[0].add_(1)
        for (parts, gradients, first, second), rate, one in zip(self._each, rates, self._trials, strict=True):
            torch._fused_adamw_(
                parts, gradients, first, second, [], self._steps, lr=rate, weight_decay=one["weight_decay"],
                beta1=_FIRST, beta2=_SECOND, eps=_LEAST, amsgrad=False, maximize=False,
            )  # fmt: skip

    def _validation_losses(self) -> list[float]:
        rows = self._problem.validation
        image, target = torch.from_numpy(rows.image), torch.from_numpy(rows.target)
        total = torch.zeros(len(self._trials))
        for part, wanted in split_blocks(image, target, max_rows=_MOST_ROWS):
            answers = self._answers(to_unit_range(part))[-1].flatten(0, 1)
            losses, _ = cross_entropies(answers, wanted.repeat(len(self._trials)), row_weight=1.0)
            total += losses.view(len(self._trials), -1).sum(1)
        found: list[float] = (total / len(target)).tolist()
        return found


def _stacked(parts: Sequence[Tensor], trials: int) -> list[Tensor]:
    return [torch.stack([part] * trials) for part in parts]
