"""Differentially private training: DP-SGD (Abadi et al. 2016), by Opacus."""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import RunContext, TrainingTask
from pipeline.training.distributed.batch_norm import batch_norms
from pipeline.training.loop.batching import BatchRows, is_full_batch
from pipeline.training.optim.optimizers import WeightOptimizer

if TYPE_CHECKING:
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

__all__ = ["PRIVACY_NOTE", "DpSgd", "replace_batch_norm"]

# Suppresses Opacus's warnings about its own use of torch, and that other Renyi orders give slightly tighter bounds.
_ignore_warnings = partial(warnings.catch_warnings, action="ignore")
_UNSUPPORTED = "private training is not possible here: {}"
# Orders of the Renyi divergence (Mironov 2017); the accountant takes the one with the tightest bound.
_ORDERS = [1 + n / 10 for n in range(1, 100)] + [float(n) for n in (*range(12, 64), 96, 128, 192, 256, 512, 1024)]
PRIVACY_NOTE = (
    "epsilon covers what the weights learned from the training rows; the columns' ranges, vocabularies and statistics "
    "are exact, and so are the metrics on the validation and test rows, from which nothing is learned; the weights of "
    "the last epoch are kept, and no loss of an epoch is published"
)
_PUBLIC = frozenset({"epoch", "learning_rate", "memory_mb", "seconds"})  # values that do not depend on the rows


class DpSgd:
    """Differentially private gradients.

    Poisson sampling draws each row for a step independently. The gradient of each row is clipped to ``privacy_norm``,
    and Gaussian noise is added to their sum, so that all epochs together spend ``privacy_epsilon`` at
    ``privacy_delta``. The seed of the noise is secret, since anyone who knew it could remove the noise.

    Args:
        network: The network to train.
        optimizer: The optimizer of the network's weights.
        config: Hyper-parameters.
        task: Task with the rows to train on.
        context: Device and process.

    Raises:
        CandidateFailedError: The network or a setting does not allow private training.

    References:
        Abadi et al. 2016, Deep Learning with Differential Privacy.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: WeightOptimizer,
        config: NetworkConfig,
        task: TrainingTask,
        context: RunContext,
    ) -> None:
        _check(config, context)
        batch_size = config.batch_size
        size = batch_size if isinstance(batch_size, int) else max(batch_size)
        self._rows, self._device = len(task.train), context.device
        self._sample_rate = 1.0 if is_full_batch(config) else min(1.0, size / self._rows)
        self._epoch_steps = max(1, round(1 / self._sample_rate))
        self._max_steps = self._epoch_steps * config.epochs
        self._delta = config.privacy_delta
        with _ignore_warnings():
            from opacus.accountants.utils import get_noise_multiplier

            noise = get_noise_multiplier(
                target_epsilon=config.privacy_epsilon,
                target_delta=self._delta,
                sample_rate=self._sample_rate,
                steps=self._max_steps,
                alphas=_ORDERS,
            )
        self._noise = float(noise)
        self.generator = torch.Generator(context.device).manual_seed(secrets.randbits(63))
        self._expected_rows = max(1, round(self._sample_rate * self._rows))
        self._hooks, self._optimizer = self._make_engine(network, optimizer, config.privacy_norm)

    def _make_engine(
        self, network: nn.Module, optimizer: WeightOptimizer, norm: float
    ) -> tuple[GradSampleModule, DPOptimizer]:
        with _ignore_warnings():
            from opacus import GradSampleModule
            from opacus.optimizers import DPOptimizer
        logging.getLogger("opacus").setLevel(logging.ERROR)
        try:
            hooks = GradSampleModule(network, loss_reduction="sum")
        except NotImplementedError as error:
            raise CandidateFailedError(_UNSUPPORTED.format("Opacus has no per-row gradients for a layer")) from error
        dp_optimizer = DPOptimizer(
            torch.optim.SGD(optimizer.parameters, lr=0.0),  # takes no step: its gradients go to ``optimizer``
            noise_multiplier=self._noise,
            max_grad_norm=norm,
            expected_batch_size=None,
            loss_reduction="sum",  # "mean" would also divide by the number of micro-batches
            generator=self.generator,
        )
        return hooks, dp_optimizer

    def iterate_batches(self, first_step: int) -> Iterator[BatchRows]:
        """Yield the batches of an epoch from ``first_step`` on, by Poisson sampling; a batch may be empty."""
        for step in range(first_step, self._epoch_steps):
            is_drawn = torch.rand(self._rows, generator=self.generator, device=self._device) < self._sample_rate
            yield step / self._epoch_steps, is_drawn.nonzero().squeeze(1)

    def publishable(self, point: Mapping[str, float]) -> dict[str, float]:
        """Return the values of a learning-curve point that reveal nothing about the rows."""
        return {name: value for name, value in point.items() if name in _PUBLIC}

    def is_budget_exhausted(self, steps: int) -> bool:
        """Return whether ``steps`` steps spend the whole epsilon."""
        return steps >= self._max_steps

    def zero(self) -> None:
        """Discard the gradients of the previous step."""
        self._optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Clip the gradient of each row, and add it to the gradients of the step's earlier micro-batches.

        Args:
            loss: Sum of the losses of the rows of a micro-batch.
        """
        with _ignore_warnings():  # torch warns that Opacus hooks the first layer, whose inputs need no gradient
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        self._optimizer.clip_and_accumulate()
        for parameter in self._optimizer.params:
            parameter.grad_sample = None

    def add_noise(self) -> None:
        """Set ``grad`` of the weights to the clipped gradients' sum plus noise, divided by the expected batch size."""
        self._optimizer.add_noise()
        for parameter in self._optimizer.params:
            parameter.grad /= self._expected_rows

    def privacy_spent(self, steps: int) -> dict[str, float]:
        """Return the ``epsilon`` and ``delta`` spent after ``steps`` steps.

        References:
            Mironov 2017, Renyi Differential Privacy.
        """
        with _ignore_warnings():
            from opacus.accountants import RDPAccountant

            accountant = RDPAccountant()
            accountant.history = [(self._noise, self._sample_rate, steps)]
            epsilon = accountant.get_epsilon(self._delta, alphas=_ORDERS)
        return {"epsilon": float(epsilon), "delta": self._delta}

    def close(self) -> None:
        """Remove the hooks from the network."""
        self._hooks.to_standard_module()


def replace_batch_norm(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """Replace batch norms by group norms, since a batch norm mixes the rows of a batch.

    Returns:
        The network, and a note if it was changed.

    References:
        Wu and He 2018, Group Normalization.
    """
    if not batch_norms(network):
        return network, ()
    with _ignore_warnings():
        from opacus.validators import ModuleValidator

        return ModuleValidator.fix(network), ("private training: its batch norms became group norms",)


def _check(config: NetworkConfig, context: RunContext) -> None:
    obstacles = (
        (context.process.size > 1, "it runs in one process"),
        (config.mixup, "mixup gives a row its neighbors' pixels"),
        (config.schedule == "plateau", "the schedule plateau follows exact losses of the validation rows"),
    )
    for is_present, reason in obstacles:
        if is_present:
            raise CandidateFailedError(_UNSUPPORTED.format(reason))
