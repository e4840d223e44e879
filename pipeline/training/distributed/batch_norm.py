"""Batch norms whose mean and variance are those of the rows of all processes.

torch's SyncBatchNorm does the same on GPUs alone, and counts every row that a process has.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["SynchronizedBatchNorm", "synchronize_batch_norms"]

_BatchNorm = nn.modules.batchnorm._BatchNorm


class SynchronizedBatchNorm(_BatchNorm):
    """``forward``: [batch, channels, ...] -> the same, normalized by channel over the batches of all processes.

    ``counts_rows`` is False while this process's row is one that it has no part in (DdpStrategy.share).
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.counts_rows = True

    def forward(self, batch: Tensor) -> Tensor:
        if not self.training:
            normalized: Tensor = super().forward(batch)
            return normalized
        values = batch.float()
        dimensions = [dimension for dimension in range(batch.ndim) if dimension != 1]
        shape = [-1 if dimension == 1 else 1 for dimension in range(batch.ndim)]
        own = float(self.counts_rows)
        count = values.new_tensor(own * batch.numel() / batch.shape[1])
        dist.all_reduce(count)
        mean = _sum_of_all(values.sum(dimensions) * own) / count
        centered = values - mean.view(shape)
        variance = _sum_of_all(centered.square().sum(dimensions) * own) / count
        self._update_statistics(mean.detach(), variance.detach() * count / (count - 1))
        normalized = centered * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
        return normalized.to(batch.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        """``momentum`` None: the mean of all batches so far, as torch has it."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(unbiased_variance, factor)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's own name
        """Any: the batch norm that this one replaces decided it."""


def _sum_of_all(value: Tensor) -> Tensor:
    """The sum of all processes' values; its gradient is the sum of theirs."""
    total: Tensor = all_reduce(value)  # type: ignore[no-untyped-call]  # torch has no types for it
    return total


def synchronize_batch_norms(network: nn.Module) -> nn.Module:
    """Replace all batch norms in ``network``, which changes it; weights, statistics and names stay."""
    if isinstance(network, _BatchNorm):
        return _synchronized(network)
    for name, child in network.named_children():
        setattr(network, name, synchronize_batch_norms(child))
    return network


def _synchronized(norm: _BatchNorm) -> SynchronizedBatchNorm:
    made = SynchronizedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, affine=norm.affine, track_running_stats=norm.track_running_stats
    )
    made.load_state_dict(norm.state_dict())
    for parameter, own in zip(made.parameters(), norm.parameters(), strict=True):
        parameter.requires_grad_(own.requires_grad)
    return made.to(next(iter(norm.state_dict().values()), torch.zeros(0)).device).train(norm.training)
