"""Differentially private training: DP-SGD (Abadi et al. 2016), by Opacus."""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.batching import Batch
from pipeline.training.optimizers import FULL_BATCH, Descent
from pipeline.training.recipe import Problem, Settings

if TYPE_CHECKING:
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

__all__ = ["Private"]

_MIXING = (nn.modules.batchnorm._BatchNorm,)  # what lets a row see its neighbours
_NOTE = (
    "epsilon covers what the weights learned of the training rows; the columns' ranges, vocabularies and statistics "
    "are read from them as they are"
)


class Private:
    """Each row is drawn for a step with the same chance, by itself; its gradient is cut to ``privacy_norm``, and the
    sum gets so much noise that all epochs together spend ``privacy_epsilon`` at ``privacy_delta``.

    The noise comes from no seed that anybody knows: it would otherwise be no secret. Raise CandidateFailedError when
    the network, or the way in which it is asked to be trained, cannot be private.
    """

    def __init__(self, network: nn.Module, descent: Descent, settings: Settings, problem: Problem) -> None:
        from opacus.accountants.utils import get_noise_multiplier

        _check(network, settings, problem)
        rows = len(problem.train)
        given = settings["batch_size"]
        size = given if isinstance(given, int) else max(given)
        full = settings["batching"] == "full" or settings["optimizer"] in FULL_BATCH
        self._chance = 1.0 if full else min(1.0, size / rows)
        self._rows, self._device = rows, problem.device
        self._steps = max(1, round(1 / self._chance))  # an epoch's
        self._most_steps = self._steps * int(settings["epochs"])
        self._delta = float(settings["privacy_delta"])
        self._noise = float(
            get_noise_multiplier(
                target_epsilon=settings["privacy_epsilon"],
                target_delta=self._delta,
                sample_rate=self._chance,
                steps=self._most_steps,
            )
        )
        self.generator = torch.Generator(problem.device).manual_seed(secrets.randbits(63))
        self._hooks, self._optimizer = self._made(network, descent, float(settings["privacy_norm"]))

    @property
    def note(self) -> str:
        return _NOTE

    def _made(self, network: nn.Module, descent: Descent, norm: float) -> tuple[GradSampleModule, DPOptimizer]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own use of torch
            from opacus import GradSampleModule
            from opacus.optimizers import DPOptimizer
        logging.getLogger("opacus").setLevel(logging.ERROR)
        hooks = GradSampleModule(network, loss_reduction="sum")
        optimizer = DPOptimizer(
            torch.optim.SGD(descent.parameters, lr=0.0),  # takes no step: the gradients go to the descent
            noise_multiplier=self._noise,
            max_grad_norm=norm,
            expected_batch_size=max(1, round(self._chance * self._rows)),
            generator=self.generator,
        )
        return hooks, optimizer

    def batches(self, done: int) -> Iterator[Batch]:
        """Of an epoch, without the first ``done``; one may be empty (Poisson sampling, as is accounted for)."""
        for step in range(done, self._steps):
            drawn = torch.rand(self._rows, generator=self.generator, device=self._device) < self._chance
            yield step / self._steps, drawn.nonzero().squeeze(1)

    def is_spent(self, steps: int) -> bool:
        """Whether that many steps were all that may be taken."""
        return steps >= self._most_steps

    def zero(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def finish_gradients(self) -> None:
        """Of the sums of losses that went backward: cut, summed, noised; the mean of what a batch is expected to be."""
        self._optimizer.pre_step()

    def spent(self, steps: int) -> dict[str, float]:
        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        accountant.history = [(self._noise, self._chance, steps)]
        return {"epsilon": float(accountant.get_epsilon(self._delta)), "delta": self._delta}

    def close(self) -> None:
        """The network is an ordinary one again."""
        self._hooks.to_standard_module()


def _check(network: nn.Module, settings: Settings, problem: Problem) -> None:
    reason = ""
    if problem.process.size > 1:
        reason = "it is of one process"
    elif settings["mixup"]:
        reason = "mixup gives a row its neighbours' pixels"
    elif any(isinstance(module, _MIXING) for module in network.modules()):
        reason = "a batch norm lets a row see its neighbours"
    if reason:
        raise CandidateFailedError(f"private training is not possible here: {reason}")
