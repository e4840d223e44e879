"""Averages of a network's weights along its training, which answer in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pipeline.training.algorithm import Settings

__all__ = ["WeightAverage"]

_EMA_DECAY = 0.999
_SWA_START = 0.75  # the share of the epochs after which weights are averaged


class WeightAverage:
    """``ema``: an exponential average, one step after the other (Polyak and Juditsky 1992; decay 0.999, less at first);
    ``swa``: the mean of what the last quarter of the epochs ended with (Izmailov et al. 2018); ``none``.
    """

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.kind = settings["averaging"]
        self.count = 0  # of what has been averaged
        self.first_epoch = 1 + int(_SWA_START * settings["epochs"]) if self.kind == "swa" else 1
        self._model = model
        self._shadow = self._copies() if self.kind != "none" else []

    @property
    def answers(self) -> bool:
        """Whether the average is what counts already."""
        return self.kind != "none" and self.count > 0

    @property
    def needs_statistics(self) -> bool:
        """Batch norms know nothing of the mean of several networks: they must see the rows again."""
        return self.kind == "swa" and self.answers and any(map(_is_batch_norm, self._model.modules()))

    def after_step(self) -> None:
        if self.kind == "ema":
            self.count += 1
            self._towards(1 - min(_EMA_DECAY, (1 + self.count) / (10 + self.count)))

    def after_epoch(self, epoch: int) -> None:
        if self.kind == "swa" and epoch >= self.first_epoch:
            self.count += 1
            self._towards(1 / self.count)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average, where it is what counts."""
        if not self.answers:
            yield
            return
        own = self._copies()
        self._set(self._shadow)
        try:
            yield
        finally:
            self._set(own)

    def restart(self, count: int = 0) -> None:
        """The average is what the model has now, as of ``count``."""
        self.count = count
        if self.kind != "none":
            self._shadow = self._copies()

    @torch.no_grad()
    def _towards(self, share: float) -> None:
        # The weights apart from what norms have seen: shares of them (torch_strategies) and plain tensors do not mix.
        shadow, tensors, weights = self._shadow, self._tensors(), len(list(self._model.parameters()))
        torch._foreach_lerp_(shadow[:weights], tensors[:weights], share)
        if len(tensors) > weights:
            torch._foreach_lerp_(shadow[weights:], tensors[weights:], share)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for tensor, value in zip(self._tensors(), values, strict=True):
            tensor.copy_(value)

    def _copies(self) -> list[Tensor]:
        return [tensor.clone() for tensor in self._tensors()]

    def _tensors(self) -> list[Tensor]:
        buffers = [buffer for buffer in self._model.buffers() if buffer.is_floating_point()]
        return [*(parameter.detach() for parameter in self._model.parameters()), *buffers]


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
