"""Differentially private training: DP-SGD (Abadi et al. 2016), by Opacus."""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Problem, Settings
from pipeline.training.loop.batching import Batch
from pipeline.training.optim.optimizers import FULL_BATCH_OPTIMIZERS, WeightOptimizer

if TYPE_CHECKING:
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

__all__ = ["DpSgd", "replace_batch_norm"]

_UNSUPPORTED = "private training is not possible here: {}"
# Of the Renyi divergence (Mironov 2017); the one that bounds the most tightly is taken.
_ORDERS = [1 + n / 10 for n in range(1, 100)] + [float(n) for n in (*range(12, 64), 96, 128, 192, 256, 512, 1024)]
_NOTE = (
    "epsilon covers what the weights learned of the training rows; the columns' ranges, vocabularies and statistics "
    "are read from them as they are, and metrics are exact values of the validation and test rows, from which nothing "
    "is learned; the weights of the last epoch are kept, and no loss of an epoch is published"
)
_PUBLIC = frozenset({"epoch", "learning_rate", "memory_mb", "seconds"})  # of a point of the learning curve


class DpSgd:
    """Each row is drawn for a step with the same chance, by itself; its gradient is cut to ``privacy_norm``, and the
    sum gets so much noise that all epochs together spend ``privacy_epsilon`` at ``privacy_delta``.

    The noise comes from no seed that anybody knows: it would otherwise be no secret. Raise CandidateFailedError when
    the network, or the way in which it is asked to be trained, cannot be private.
    """

    def __init__(self, network: nn.Module, descent: WeightOptimizer, settings: Settings, problem: Problem) -> None:
        _check(settings, problem)
        rows = len(problem.train)
        given = settings["batch_size"]
        size = given if isinstance(given, int) else max(given)
        full = settings["batching"] == "full" or settings["optimizer"] in FULL_BATCH_OPTIMIZERS
        self._chance = 1.0 if full else min(1.0, size / rows)
        self._rows, self._device = rows, problem.device
        self._steps = max(1, round(1 / self._chance))  # an epoch's
        self._most_steps = self._steps * int(settings["epochs"])
        self._delta = float(settings["privacy_delta"])
        with _quiet():
            from opacus.accountants.utils import get_noise_multiplier

            noise = get_noise_multiplier(
                target_epsilon=float(settings["privacy_epsilon"]),
                target_delta=self._delta,
                sample_rate=self._chance,
                steps=self._most_steps,
                alphas=_ORDERS,
            )
        self._noise = float(noise)
        self.generator = torch.Generator(problem.device).manual_seed(secrets.randbits(63))
        self._expected_rows = max(1, round(self._chance * rows))
        self._hooks, self._optimizer = self._made(network, descent, float(settings["privacy_norm"]))

    @property
    def note(self) -> str:
        return _NOTE

    def _made(self, network: nn.Module, descent: WeightOptimizer, norm: float) -> tuple[GradSampleModule, DPOptimizer]:
        with _quiet():
            from opacus import GradSampleModule
            from opacus.optimizers import DPOptimizer
        logging.getLogger("opacus").setLevel(logging.ERROR)
        try:
            hooks = GradSampleModule(network, loss_reduction="sum")
        except NotImplementedError as error:
            raise CandidateFailedError(_UNSUPPORTED.format("Opacus has no gradients row by row for a layer")) from error
        optimizer = DPOptimizer(
            torch.optim.SGD(descent.parameters, lr=0.0),  # takes no step: the gradients go to the descent
            noise_multiplier=self._noise,
            max_grad_norm=norm,
            expected_batch_size=None,
            loss_reduction="sum",  # "mean" divides by the number of parts of a batch too
            generator=self.generator,
        )
        return hooks, optimizer

    def batches(self, done: int) -> Iterator[Batch]:
        """Of an epoch, without the first ``done``; one may be empty (Poisson sampling, as is accounted for)."""
        for step in range(done, self._steps):
            drawn = torch.rand(self._rows, generator=self.generator, device=self._device) < self._chance
            yield step / self._steps, drawn.nonzero().squeeze(1)

    def publishable(self, point: Mapping[str, float]) -> dict[str, float]:
        """What of a point of the learning curve says nothing exact of any row."""
        return {name: value for name, value in point.items() if name in _PUBLIC}

    def is_spent(self, steps: int) -> bool:
        """Whether that many steps were all that may be taken."""
        return steps >= self._most_steps

    def zero(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Clip each row's gradient, and add them to those of the batch's earlier parts.

        Args:
            loss: The sum of the losses of the batch's rows, or of a part of them. Only the parts' sums stay in memory.
        """
        with _quiet():  # it hooks a first layer, whose inputs need no gradient
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        self._optimizer.clip_and_accumulate()
        for parameter in self._optimizer.params:
            parameter.grad_sample = None

    def finish_gradients(self) -> None:
        """Leave the sum of the clipped gradients plus noise, divided by the expected rows of a batch, as gradients."""
        self._optimizer.add_noise()
        for parameter in self._optimizer.params:
            parameter.grad /= self._expected_rows

    def spent(self, steps: int) -> dict[str, float]:
        with _quiet():
            from opacus.accountants import RDPAccountant

            accountant = RDPAccountant()
            accountant.history = [(self._noise, self._chance, steps)]
            epsilon = accountant.get_epsilon(self._delta, alphas=_ORDERS)
        return {"epsilon": float(epsilon), "delta": self._delta}

    def close(self) -> None:
        """The network is an ordinary one again."""
        self._hooks.to_standard_module()


@contextmanager
def _quiet() -> Iterator[None]:
    """Opacus warns of its own use of torch, and where another order of divergence might bound a little tighter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def replace_batch_norm(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The network with group norms (Wu and He 2018) where batch norms would let a row see its neighbors; a note."""
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
        return network, ()
    with _quiet():
        from opacus.validators import ModuleValidator

        return ModuleValidator.fix(network), ("private training: its batch norms became group norms",)


def _check(settings: Settings, problem: Problem) -> None:
    reason = ""
    if problem.process.size > 1:
        reason = "it is of one process"
    elif settings["mixup"]:
        reason = "mixup gives a row its neighbors' pixels"
    elif settings["schedule"] == "plateau":
        reason = "the schedule plateau follows exact losses of the validation rows"
    if reason:
        raise CandidateFailedError(_UNSUPPORTED.format(reason))
