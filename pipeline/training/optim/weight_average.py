"""Averages of a network's weights over its training, which replace the weights in evaluation and serving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.distributed.batch_norm import batch_norms

__all__ = ["WeightAverage"]

_EMA_DECAY = 0.999
_SWA_START = 0.75  # fraction of the epochs before weights are averaged


class WeightAverage:
    """The average of a network's weights, by the setting ``averaging``.

    ``ema`` is an exponential moving average over the steps (decay 0.999, less at first), ``swa`` the mean of the
    weights at the end of each epoch of the last quarter, ``none`` is inactive.

    Args:
        model: The network.
        config: Hyper-parameters.

    torch.optim.swa_utils.AveragedModel copies the module, which FSDP forbids, so only its update functions are used.

    References:
        Polyak and Juditsky 1992; Izmailov et al. 2018, Averaging Weights Leads to Wider Optima.
    """

    def __init__(self, model: nn.Module, config: NetworkConfig) -> None:
        self.kind = config.averaging
        self.count = 0  # number of averaged states of the weights
        self.first_epoch = 1 + int(_SWA_START * config.epochs) if self.kind == "swa" else 1
        self._model = model
        self._shadow = self._copies() if self.kind != "none" else []

    @property
    def is_active(self) -> bool:
        """Return whether there is an average to use instead of the weights."""
        return self.kind != "none" and self.count > 0

    @property
    def needs_bn_update(self) -> bool:
        """Return whether batch norm statistics must be recomputed, since SWA averages weights of different epochs."""
        return self.kind == "swa" and self.is_active and bool(batch_norms(self._model))

    def after_step(self) -> None:
        """Update the moving average after an optimizer's step."""
        if self.kind == "ema":
            self.count += 1
            decay = min(_EMA_DECAY, (1 + self.count) / (10 + self.count))
            self._update(get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def after_epoch(self, epoch: int) -> None:
        """Update the mean after an epoch."""
        if self.kind == "swa" and epoch >= self.first_epoch:
            self.count += 1
            self._update(get_swa_multi_avg_fn())  # type: ignore[no-untyped-call]  # torch leaves it untyped

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Swap the average into the model, if it is active, for as long as the context lasts."""
        if not self.is_active:
            yield
            return
        weights = self._copies()
        self._set(self._shadow)
        try:
            yield
        finally:
            self._set(weights)

    def reset(self, count: int = 0) -> None:
        """Restart the average from the model's present weights.

        Args:
            count: Number of averaged states that the present weights stand for.
        """
        self.count = count
        if self.kind != "none":
            self._shadow = self._copies()

    def _update(self, update: Callable[[list[Tensor], list[Tensor], int], None]) -> None:
        # torch cannot update sharded parameters (torch_strategies) and plain buffers in one call.
        shadow, tensors, weights = self._shadow, self._tensors(), len(list(self._model.parameters()))
        update(shadow[:weights], tensors[:weights], self.count - 1)
        if len(tensors) > weights:
            update(shadow[weights:], tensors[weights:], self.count - 1)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for tensor, value in zip(self._tensors(), values, strict=True):
            tensor.copy_(value)

    def _copies(self) -> list[Tensor]:
        return [tensor.clone() for tensor in self._tensors()]

    def _tensors(self) -> list[Tensor]:
        buffers = [buffer for buffer in self._model.buffers() if buffer.is_floating_point()]
        return [*(parameter.detach() for parameter in self._model.parameters()), *buffers]
