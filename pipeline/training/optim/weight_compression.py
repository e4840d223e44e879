"""Pruning and weight sharing during training, so that the remaining weights adapt.

Pruning is gradual and global: the sparsity follows a cubic schedule, and each update prunes the smallest weights of all
layers. For weight sharing, k-means assigns each weight to a shared value, which then changes by the mean step of the
weights that share it.

References:
    Zhu and Gupta 2017, To Prune, or Not to Prune (arXiv:1710.01878); Han et al. 2016, Deep Compression
    (arXiv:1510.00149).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.errors import CandidateFailedError
from pipeline.graphs.codebooks import share_weights

__all__ = ["WeightCompression"]

# Fractions of the epochs.
_PRUNING_STARTS, _PRUNING_ENDS, _SHARING_STARTS = 0.1, 0.5, 0.7
_UPDATES_PER_EPOCH = 4
_MIN_WEIGHTS = 64  # smaller tensors are left unchanged


class WeightCompression:
    """Prunes and shares the weights of a network after each step.

    At the end, a fraction ``sparsity`` of the weights is 0, and a tensor has at most 2 ** ``shared_bits`` values. A
    setting of 0 turns pruning or sharing off. Biases and the parameters of norms are left unchanged.

    Args:
        model: The network.
        config: Hyper-parameters.

    Raises:
        CandidateFailedError: Another setting excludes pruning or sharing.
    """

    def __init__(self, model: nn.Module, config: NetworkConfig) -> None:
        self._sparsity, self._bits = config.sparsity, config.shared_bits
        self._epochs = config.epochs
        self._weights = [
            parameter for parameter in model.parameters() if parameter.ndim > 1 and parameter.numel() >= _MIN_WEIGHTS
        ]
        self._masks: list[Tensor] = []
        self._codes: list[Tensor] = []
        self.position = 0.0  # position in the schedule at the last call of after_step, in epochs
        self._check(config)

    @property
    def is_active(self) -> bool:
        """Return whether anything is pruned or shared."""
        return bool((self._sparsity or self._bits) and self._weights)

    @property
    def first_epoch(self) -> int:
        """Return the first epoch at whose end pruning and sharing are complete."""
        return max(1, int(np.ceil(self._end))) if self.is_active else 1

    def after_step(self, position: float) -> None:
        """Prune and share after an optimizer's step.

        Args:
            position: Position in the schedule, in epochs.
        """
        if not self.is_active:
            return
        is_due = int(position * _UPDATES_PER_EPOCH) != int(self.position * _UPDATES_PER_EPOCH)
        self.position = position
        if is_due and not self._codes:
            self._prune(self._sparsity * self._progress(position))
        self._mask()
        if self._bits and not self._codes and position >= _SHARING_STARTS * self._epochs:
            self._share_weights()
        self._average()

    def finish(self) -> None:
        """Complete pruning and sharing at once, if the training stops before the schedule ends."""
        if self.is_active and self.position < self._end:
            self.after_step(self._end)

    def reset(self, position: float) -> None:
        """Resume from the model's present weights: zeros stay pruned, and equal weights stay shared.

        Args:
            position: Position in the schedule, in epochs.
        """
        self.position = position
        self._masks, self._codes = [], []
        if self._sparsity and position > _PRUNING_STARTS * self._epochs:
            self._masks = [(weights != 0).to(weights.dtype) for weights in self._weights]
        if self._bits and position >= _SHARING_STARTS * self._epochs:
            self._share_weights()

    @property
    def _end(self) -> float:
        return float((_SHARING_STARTS if self._bits else _PRUNING_ENDS) * self._epochs)

    def _progress(self, position: float) -> float:
        """Return the fraction of the pruning that is completed at a position."""
        passed = (position / self._epochs - _PRUNING_STARTS) / (_PRUNING_ENDS - _PRUNING_STARTS)
        return float(1 - (1 - min(1.0, max(0.0, passed))) ** 3)

    @torch.no_grad()
    def _prune(self, sparsity: float) -> None:
        """Mask the smallest weights of all tensors, each in units of its tensor's root mean square."""
        if not sparsity:
            return
        sizes = [weights.abs() / weights.square().mean().sqrt().clamp_min(1e-12) for weights in self._weights]
        all_sizes = torch.cat([size.flatten() for size in sizes])
        threshold = all_sizes.kthvalue(max(1, round(sparsity * len(all_sizes)))).values
        self._masks = [(size > threshold).to(size.dtype) for size in sizes]

    @torch.no_grad()
    def _share_weights(self) -> None:
        """Assign each weight to one of 2 ** bits values by k-means; pruned weights keep the value 0."""
        for weights in self._weights:
            shared = share_weights(weights.cpu().numpy(), 2**self._bits)
            weights.copy_(torch.from_numpy(shared))
            _, codes = np.unique(shared, return_inverse=True)
            self._codes.append(torch.from_numpy(codes.reshape(-1)).to(weights.device))

    @torch.no_grad()
    def _mask(self) -> None:
        for weights, mask in zip(self._weights, self._masks, strict=False):
            weights.mul_(mask)

    @torch.no_grad()
    def _average(self) -> None:
        """Replace each weight by the mean of all weights that share its value."""
        for weights, codes in zip(self._weights, self._codes, strict=False):
            count = int(codes.max()) + 1
            sums = torch.zeros(count, dtype=torch.float64, device=codes.device)
            sums.index_add_(0, codes, weights.flatten().double())
            means = sums / torch.bincount(codes, minlength=count)
            weights.copy_(means.to(weights.dtype)[codes].view_as(weights))

    def _check(self, config: NetworkConfig) -> None:
        if not (self._sparsity or self._bits):
            return
        name = "sparsity" if self._sparsity else "shared_bits"
        if config.parallel != "none":
            raise CandidateFailedError(
                f"training.{name} prunes or shares weights on one machine: leave out training.parallel"
            )
        if config.averaging != "none":
            raise CandidateFailedError(f"training.{name} and averaging '{config.averaging}' exclude each other")
