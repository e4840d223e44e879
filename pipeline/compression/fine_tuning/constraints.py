"""Constraints on weights during fine-tuning: pruned weights stay zero, shared values stay shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.graphs.codebooks import share_weights

__all__ = ["Constraint", "GradualPruning", "Importance", "KeepZeros", "SharedValues", "value_counts"]

Importance = Literal["magnitude", "magnitude_per_layer", "random", "taylor", "movement"]
Weights = Mapping[str, nn.Parameter]
State = dict[str, Tensor]

_MIN_WEIGHTS = 64  # smaller tensors are not constrained
_PRUNING_ENDS = 0.6  # fraction of the fine-tuning; afterwards the other weights compensate for the last pruned ones
_SMALL_FRACTION = 0.1  # a tensor with less than this fraction of all weights is small
_UPDATES = 40  # how often the masks are recomputed while pruning


class Constraint:
    """Base class of constraints on weights, called before and after each optimizer step; its methods do nothing."""

    def before_step(self, weights: Weights) -> None:
        """Read or replace the gradients before an optimizer step.

        Args:
            weights: All tensors that learn, each with its gradient.
        """

    def after_step(self, weights: Weights, progress: float) -> None:
        """Project the weights onto the constraint, in place.

        Args:
            weights: All tensors that learn.
            progress: Fraction of the fine-tuning that is done, 1 at its end.
        """

    def state(self) -> State:
        """Return the state that a resumed fine-tuning needs, besides the weights that it started from."""
        return {}

    def restore(self, state: State) -> None:
        """Restore what ``state`` returned."""


class KeepZeros(Constraint):
    """Keeps weights zero that are zero at the beginning."""

    def __init__(self, weights: Weights) -> None:
        self._masks = {
            name: (tensor.detach() != 0) for name, tensor in _large(weights).items() if bool((tensor == 0).any())
        }

    @torch.no_grad()
    def after_step(self, weights: Weights, progress: float) -> None:
        """Set the pruned weights to zero."""
        for name, mask in self._masks.items():
            weights[name].mul_(mask)


class GradualPruning(Constraint):
    """Prunes more and more weights on the cubic schedule of Zhu and Gupta 2017 (arXiv:1710.01878), up to ``sparsity``.

    Weights of the least importance are pruned first:

    - magnitude: the smallest over all tensors by LAMP (Lee et al. 2021, arXiv:2010.07611): the square of a weight
      divided by the sum of the squares in its tensor that are no smaller. Small layers stay denser, and every layer
      keeps its largest weight;
    - magnitude_per_layer: the smallest of each tensor;
    - taylor: the first-order change of the loss (Molchanov et al. 2019, arXiv:1906.10771);
    - movement: how far the gradients move a weight away from zero, summed over steps (Sanh et al. 2020,
      arXiv:2005.07683);
    - random: the baseline.

    A pruned weight may return while masks are still recomputed.
    """

    def __init__(self, weights: Weights, *, sparsity: float, importance: Importance, seed: int = 0) -> None:
        self._sparsity, self._importance = sparsity, importance
        self._masks = {name: torch.ones_like(tensor) for name, tensor in _large(weights).items()}
        random = torch.Generator().manual_seed(seed)
        self._scores = {
            name: torch.rand(mask.shape, generator=random) if importance == "random" else torch.zeros_like(mask)
            for name, mask in self._masks.items()
        }
        self._updates = -1

    def before_step(self, weights: Weights) -> None:
        """Add the gradients of this step to importances that are computed from them."""
        if self._importance not in ("taylor", "movement"):
            return
        for name, scores in self._scores.items():
            gradient = weights[name].grad
            if gradient is None:
                continue
            product = weights[name].detach() * gradient
            if self._importance == "taylor":
                scores.mul_(0.9).add_(product.square(), alpha=0.1)
            else:
                scores.sub_(product)

    @torch.no_grad()
    def after_step(self, weights: Weights, progress: float) -> None:
        """Update the masks when that is due, and set the pruned weights to zero."""
        passed = min(1.0, progress / _PRUNING_ENDS)
        if int(passed * _UPDATES) > self._updates:
            self._updates = int(passed * _UPDATES)
            self._choose_masks(weights, self._sparsity * (1 - (1 - passed) ** 3))
        for name, mask in self._masks.items():
            weights[name].mul_(mask)

    def state(self) -> State:
        """Return the masks and the importance so far."""
        masks = {f"mask/{name}": mask for name, mask in self._masks.items()}
        scores = {f"score/{name}": score for name, score in self._scores.items()}
        return {"updates": torch.tensor(self._updates), **masks, **scores}

    def restore(self, state: State) -> None:
        """Restore what ``state`` returned."""
        self._updates = int(state["updates"])
        self._masks = {name: state[f"mask/{name}"] for name in self._masks}
        self._scores = {name: state[f"score/{name}"] for name in self._scores}

    def _choose_masks(self, weights: Weights, sparsity: float) -> None:
        scores = {name: self._score(name, weights[name].detach()) for name in self._masks}
        if self._importance in ("magnitude_per_layer", "random"):
            thresholds = {name: _threshold(tensor, sparsity) for name, tensor in scores.items()}
        else:
            overall = _threshold(torch.cat([tensor.flatten() for tensor in scores.values()]), sparsity)
            thresholds = dict.fromkeys(scores, overall)
        self._masks = {name: (tensor > thresholds[name]).to(torch.float32) for name, tensor in scores.items()}

    def _score(self, name: str, tensor: Tensor) -> Tensor:
        if self._importance == "magnitude":
            return _layer_adaptive_magnitude(tensor)
        if self._importance == "magnitude_per_layer":
            return tensor.abs()
        return self._scores[name]


class SharedValues(Constraint):
    """Shares a few values per tensor (``value_counts``), chosen by k-means; each value learns from all its weights.

    The gradient of a value is the mean of the gradients of its weights, so that the weights take equal steps.
    Source: Han et al. 2016, Deep Compression (arXiv:1510.00149), section 3. Zeros stay zeros.
    """

    @torch.no_grad()
    def __init__(self, weights: Weights, *, bits: int) -> None:
        self._groups: dict[str, _Groups] = {}
        tensors = _large(weights)
        counts = value_counts({name: tensor.numel() for name, tensor in tensors.items()}, bits)
        for name, tensor in tensors.items():
            shared = share_weights(tensor.detach().numpy(), counts[name])
            tensor.copy_(torch.from_numpy(shared))
            self._groups[name] = _Groups.of(shared)

    @torch.no_grad()
    def before_step(self, weights: Weights) -> None:
        """Replace the gradient of each weight by the mean over the weights that share its value."""
        for name, groups in self._groups.items():
            gradient = weights[name].grad
            if gradient is not None:
                groups.average(gradient)

    @torch.no_grad()
    def after_step(self, weights: Weights, progress: float) -> None:
        """Set each weight to the mean of the weights that share its value: rounding may make them differ."""
        for name, groups in self._groups.items():
            groups.average(weights[name])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Groups:
    """Groups of tensor entries that share a value; zeros belong to no group.

    Attributes:
        nonzero_indices: Flat indices of the entries that are not zero [entries].
        codes: Group of each of these entries [entries].
        counts: Number of entries in each group [groups].
    """

    nonzero_indices: Tensor
    codes: Tensor
    counts: Tensor

    @classmethod
    def of(cls, shared: npt.NDArray[np.float32]) -> _Groups:
        """Group equal entries."""
        flat = shared.reshape(-1)
        nonzero_indices = np.flatnonzero(flat)
        _, codes = np.unique(flat[nonzero_indices], return_inverse=True)
        groups = torch.from_numpy(codes.reshape(-1).astype(np.int64))
        counts = torch.bincount(groups)
        return cls(nonzero_indices=torch.from_numpy(nonzero_indices), codes=groups, counts=counts)

    def average(self, tensor: Tensor) -> None:
        """Set each entry to the mean of its group, and entries without a group to zero; in place."""
        entries = tensor.reshape(-1)[self.nonzero_indices].double()
        sums = torch.zeros(len(self.counts), dtype=torch.float64).index_add_(0, self.codes, entries)
        means = (sums / self.counts).to(tensor.dtype)
        averaged = torch.zeros(tensor.numel(), dtype=tensor.dtype)
        averaged[self.nonzero_indices] = means[self.codes]
        tensor.copy_(averaged.view_as(tensor))


def value_counts(sizes: Mapping[str, int], bits: int) -> dict[str, int]:
    """Return how many values each tensor may have: ``2 ** bits``, or four times as many (at most 256) if it is small.

    Small tensors cost few bytes, and often belong to convolutions, to which Deep Compression also gives more bits.

    Args:
        sizes: Number of weights of each tensor.
        bits: Bits of the indices of large tensors.
    """
    small = _SMALL_FRACTION * sum(sizes.values())
    return {name: 2 ** min(8, bits + 2 * (size < small)) for name, size in sizes.items()}


def _large(weights: Weights) -> dict[str, nn.Parameter]:
    """Return the weights of matrices, convolutions and embeddings; biases and scales are not constrained."""
    return {name: tensor for name, tensor in weights.items() if tensor.ndim > 1 and tensor.numel() >= _MIN_WEIGHTS}


def _layer_adaptive_magnitude(tensor: Tensor) -> Tensor:
    squares, order = tensor.square().flatten().sort()
    remaining = squares.flip(0).cumsum(0).flip(0).clamp_min(1e-30)
    return torch.empty_like(squares).scatter_(0, order, squares / remaining).view_as(tensor)


def _threshold(scores: Tensor, sparsity: float) -> Tensor:
    """Return the quantile ``sparsity`` of the scores."""
    count = round(sparsity * scores.numel())
    return scores.flatten().kthvalue(count).values if count else scores.new_tensor(float("-inf"))
