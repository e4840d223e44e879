"""Trials of one small network side by side: each step is taken by all of them at once.

Alone, a small network on one thread spends more time between its operations than in them. So trials that differ in
their learning rate and weight decay alone are stacked into one network; each keeps its own best epoch and its own
patience, and learns what it would have learned alone, from the same weights and the same batches.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.training.batching import batches
from pipeline.training.fitting import fitted_network
from pipeline.training.image_networks import READS, PixelNet, as_shares
from pipeline.training.inputs import blocks
from pipeline.training.loop import Learned
from pipeline.training.recipe import Fitted, Problem, Settings
from pipeline.training.schedules import factor

__all__ = ["fit_side_by_side", "may_be_side_by_side"]

_OWN = ("learning_rate", "weight_decay")  # what trials may differ in
_NEITHER = {
    "batching": "fixed", "loss": None, "label_smoothing": 0.0, "l1": 0.0, "l2": 0.0, "max_gradient_norm": 0.0,
    "mixup": 0.0, "averaging": "none", "precision": "fp32", "privacy_epsilon": 0.0, "parallel": "none",
    "base_model": "", "freeze": False,
}  # fmt: skip
_OPTIMIZERS = ("adam", "adamw")
_MOST_ROWS = 2048  # that are answered at once, by all trials
_FIRST, _SECOND, _LEAST = 0.9, 0.999, 1e-8  # Adam's own constants


def may_be_side_by_side(trials: Sequence[Settings], problem: Problem) -> bool:
    """Several trials over pixels, that classify with Adam and no other knob, alike in all but ``_OWN``."""
    first = trials[0]
    shared = [{name: value for name, value in one.items() if name not in _OWN} for one in trials]
    return (
        len(trials) > 1
        and all(one == shared[0] for one in shared)
        and first["optimizer"] in _OPTIMIZERS
        and all(first[name] == value for name, value in _NEITHER.items())
        and problem.train.image.size > 0
        and problem.classes > 0
        and problem.train.weight is None
        and problem.device == "cpu"
    )


def fit_side_by_side(trials: Sequence[Settings], problem: Problem) -> list[Fitted] | None:
    """What each of the trials learns, which ``may_be_side_by_side``; of one whose loss is no number, the best before.

    None when the time is over first.
    """
    torch.manual_seed(problem.seed)
    torch.set_num_threads(problem.threads)
    settings = trials[0]
    network = PixelNet(problem.train.image, outputs=problem.classes, hidden=settings["hidden"], dropout=0.0, quick=True)
    stack = _Stack.of(network, trials)
    image, target = torch.from_numpy(problem.train.image), torch.from_numpy(problem.train.target)
    histories: list[list[dict[str, float]]] = [[] for _ in trials]
    best, best_loss, best_epoch = stack.weights(), [math.inf] * len(trials), [0] * len(trials)
    with torch.inference_mode():
        for epoch in range(1, settings["epochs"] + 1):
            started = time.perf_counter()
            total = torch.zeros(len(trials))
            losses = [[point["validation_loss"] for point in history] for history in histories]
            alike = settings["schedule"] != "plateau"  # which alone looks at a trial's losses
            for passed, rows in batches(settings, problem, epoch=epoch, done=0):
                factors = [factor(settings, epoch - 1 + passed, known) for known in (losses[:1] if alike else losses)]
                rates = [one["learning_rate"] * factors[0 if alike else place] for place, one in enumerate(trials)]
                total += stack.step(as_shares(image[rows]), target[rows], rates) * len(rows)
            found = _validation_losses(stack, problem)
            for place, loss in enumerate(found):
                histories[place].append({
                    "epoch": epoch,
                    "loss": total[place].item() / len(target),
                    "validation_loss": loss,
                    "learning_rate": rates[place],
                    "seconds": (time.perf_counter() - started) / len(trials),
                })  # fmt: skip
                if loss < best_loss[place] and epoch - best_epoch[place] <= settings["early_stopping"]:
                    best_loss[place], best_epoch[place] = loss, epoch
                    for kept, now in zip(best, stack.weights(), strict=True):
                        kept[place] = now[place]
            problem.report(f"epoch {epoch} of {settings['epochs']}, {len(trials)} trials, loss {min(best_loss):.4f}")
            if min(epoch - one for one in best_epoch) >= settings["early_stopping"]:
                break
            if time.monotonic() >= problem.deadline:
                return None
    learned = [_alone(network, best, place, histories[place]) for place in range(len(trials))]
    return [fitted_network(one, READS, settings, problem) for one in learned]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stack:
    """The trials' weights [trials, from, to] and biases [trials, 1, to], in turn, and what Adam keeps of each."""

    trials: Sequence[Settings]
    parts: list[Tensor]
    gradients: list[Tensor]
    each: list[list[list[Tensor]]]  # of a trial its parts, gradients, and both of Adam's means
    steps: list[Tensor]

    @classmethod
    def of(cls, network: PixelNet, trials: Sequence[Settings]) -> _Stack:
        parts: list[Tensor] = []
        for layer in network.linears:
            for one in (layer.weight.detach().t(), layer.bias.detach().unsqueeze(0)):
                parts.append(one.expand(len(trials), *one.shape).contiguous())
        kept = [parts, *([torch.zeros_like(part) for part in parts] for _ in range(3))]
        each = [[[tensor[place] for tensor in tensors] for tensors in kept] for place in range(len(trials))]
        steps = [torch.zeros(()) for _ in parts]
        return cls(trials=trials, parts=parts, gradients=kept[1], each=each, steps=steps)

    def weights(self) -> list[Tensor]:
        return [part.clone() for part in self.parts]

    def answers(self, given: Tensor) -> Tensor:
        """[trials, rows, classes]."""
        found = given.expand(len(self.trials), *given.shape)
        for place in range(0, len(self.parts), 2):
            found = torch.baddbmm(self.parts[place + 1], found, self.parts[place])
            found = found.relu_() if place < len(self.parts) - 2 else found
        return found

    def step(self, given: Tensor, target: Tensor, rates: Sequence[float]) -> Tensor:
        """Learn from a batch; the mean loss [trials] before. The gradient is written where it is kept."""
        trials, rows, dropped = len(self.trials), len(target), self.trials[0]["dropout"]
        found, masks = [given.expand(trials, *given.shape)], list[Tensor]()
        for place in range(0, len(self.parts), 2):
            answer = torch.baddbmm(self.parts[place + 1], found[-1], self.parts[place])
            if place < len(self.parts) - 2:
                answer.relu_()
                if dropped:
                    masks.append(torch.empty_like(answer).bernoulli_(1 - dropped).div_(1 - dropped))
                    answer.mul_(masks[-1])
            found.append(answer)
        logs = found.pop().log_softmax(2)
        places = target.view(1, rows, 1).expand(trials, rows, 1)
        losses = logs.gather(2, places).mean((1, 2)).neg_()
        gradient = logs.exp_().scatter_add_(2, places, torch.tensor(-1.0).expand(trials, rows, 1)).div_(rows)
        for place in reversed(range(len(found))):
            torch.bmm(found[place].transpose(1, 2), gradient, out=self.gradients[2 * place])
            torch.sum(gradient, 1, keepdim=True, out=self.gradients[2 * place + 1])
            if place:
                back = torch.bmm(gradient, self.parts[2 * place].transpose(1, 2))
                gradient = torch.ops.aten.threshold_backward(back, found[place], 0)
                if dropped:
                    gradient.mul_(masks[place - 1])
        self._adam(rates)
        return losses

    def _adam(self, rates: Sequence[float]) -> None:
        """Kingma and Ba 2015; weight decay decoupled from it (Loshchilov and Hutter 2019), as Descent has it."""
        torch._foreach_add_(self.steps, 1)
        for own, rate, one in zip(self.each, rates, self.trials, strict=True):
            parts, gradients, first, second = own
            if decay := one["weight_decay"]:
                torch._foreach_mul_(parts, 1 - rate * decay)
            torch._fused_adam_(
                parts, gradients, first, second, [], self.steps,
                lr=rate, beta1=_FIRST, beta2=_SECOND, weight_decay=0.0, eps=_LEAST, amsgrad=False, maximize=False,
            )  # fmt: skip


def _validation_losses(stack: _Stack, problem: Problem) -> list[float]:
    image, target = torch.from_numpy(problem.validation.image), torch.from_numpy(problem.validation.target)
    total = torch.zeros(len(stack.trials))
    for part, wanted in blocks(image, target, most=_MOST_ROWS):
        logs = stack.answers(as_shares(part)).log_softmax(2)
        total -= logs.gather(2, wanted.view(1, -1, 1).expand(len(stack.trials), -1, 1)).sum((1, 2))
    found: list[float] = (total / len(target)).tolist()
    return found


def _alone(network: PixelNet, best: Sequence[Tensor], place: int, history: list[dict[str, float]]) -> Learned:
    own = copy.deepcopy(network)
    with torch.no_grad():
        for number, layer in enumerate(own.linears):
            layer.weight.copy_(best[2 * number][place].t())
            layer.bias.copy_(best[2 * number + 1][place, 0])
    return Learned(network=own.eval(), history=tuple(history))
