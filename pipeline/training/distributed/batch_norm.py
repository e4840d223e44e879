"""Find the batch norms of a network, and replace them by ones that normalize over the rows of all processes.

torch's SyncBatchNorm runs on GPUs only, and cannot leave out the row of a process that has none of the batch's rows.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["SynchronizedBatchNorm", "batch_norms", "synchronize_batch_norms"]

_BatchNorm = nn.modules.batchnorm._BatchNorm  # base class of all batch norms, private in torch


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the batch norms of a network, of any dimension."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


class SynchronizedBatchNorm(_BatchNorm):
    """Batch norm with the mean and variance of the rows of all processes.

    ``counts_rows`` is False while this process has none of the batch's rows, only a placeholder
    (DdpStrategy.shard_batch).

    Shapes:
        ``forward``: [batch, channels, ...] -> the same, normalized per channel.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.counts_rows = True

    def forward(self, batch: Tensor) -> Tensor:
        """Normalize a batch; in training by the statistics of all processes' batches."""
        if not self.training:
            normalized: Tensor = super().forward(batch)
            return normalized
        values = batch.float()
        dimensions = [dimension for dimension in range(batch.ndim) if dimension != 1]
        shape = [-1 if dimension == 1 else 1 for dimension in range(batch.ndim)]
        row_weight = float(self.counts_rows)
        count = values.new_tensor(row_weight * batch.numel() / batch.shape[1])
        dist.all_reduce(count)
        mean = _sum_of_all(values.sum(dimensions) * row_weight) / count
        centered = values - mean.view(shape)
        variance = _sum_of_all(centered.square().sum(dimensions) * row_weight) / count
        self._update_statistics(mean.detach(), variance.detach() * count / (count - 1))
        normalized = centered * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
        return normalized.to(batch.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        """Update the running statistics; with ``momentum`` None they are the mean of all batches, as in torch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(unbiased_variance, factor)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's own name
        """Accept any number of dimensions, since this module replaces batch norms of any dimension."""


def _sum_of_all(value: Tensor) -> Tensor:
    """Return the sum of all processes' values; the backward pass sums the gradients of all processes."""
    total: Tensor = all_reduce(value)  # type: ignore[no-untyped-call]  # torch has no types for it
    return total


def synchronize_batch_norms(network: nn.Module) -> nn.Module:
    """Replace all batch norms of a network in place; weights, statistics and names stay."""
    if isinstance(network, _BatchNorm):
        return _synchronized(network)
    for name, child in network.named_children():
        setattr(network, name, synchronize_batch_norms(child))
    return network


def _synchronized(norm: _BatchNorm) -> SynchronizedBatchNorm:
    synchronized = SynchronizedBatchNorm(
        norm.num_features, norm.eps, norm.momentum, affine=norm.affine, track_running_stats=norm.track_running_stats
    )
    synchronized.load_state_dict(norm.state_dict())
    for parameter, original in zip(synchronized.parameters(), norm.parameters(), strict=True):
        parameter.requires_grad_(original.requires_grad)
    device = next(iter(norm.state_dict().values()), torch.zeros(0)).device
    return synchronized.to(device).train(norm.training)
