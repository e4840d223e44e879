"""Smaller trees: minimal cost-complexity pruning over the whole ensemble, then leaves that are fitted again.

Requires  a tree ensemble, and training rows.
Does      replaces a subtree by one leaf, its mean, where the squared change of the sum is less than the cost of its
          leaves; the price per leaf is chosen to keep a given share of the leaves; then fits the leaves to the sums
          of all trees.
Ensures   finite leaves; at most the given share of them, unless trees add to several sums.

Source: Breiman, Friedman, Olshen and Stone 1984, Classification and Regression Trees, section 3.3. The pruned tree of a
price is found from the leaves up: a split stays where its two sides together cost less than one leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.trees.ensemble_rows import read_ensemble_rows
from pipeline.compression.passes.trees.equal_subtrees import merge_equal_subtrees
from pipeline.compression.passes.trees.leaf_values import count_visits, find_leaves, fit_leaves, separate_leaves
from pipeline.compression.passes.trees.tree_pass import TreePass
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["PruneLeaves"]

_MAX_VISITS = 40_000_000  # trees x rows to count
_MIN_ROWS = 64
_ROUNDS = 40  # steps of the bisection over the logarithm of the price

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PruneLeaves(TreePass):
    """Keep a share of an ensemble's leaves.

    Args:
        context: Context with the training rows.
        ratio: Largest share of the leaves to keep.
    """

    def __init__(self, context: PassContext, *, ratio: float) -> None:
        super().__init__(context)
        self._ratio = ratio

    def change(self, model: onnx.ModelProto, trees: Trees, features: str) -> Trees:
        """Return pruned trees, with fitted leaves."""
        values, sums = read_ensemble_rows(self._context, model, features, trees)
        owned, starts = separate_leaves(trees)
        count = max(_MIN_ROWS, _MAX_VISITS // len(owned))
        visits = count_visits(find_leaves(owned, starts, values[:count]), starts)
        pruned = merge_equal_subtrees(_prune(owned, visits, self._ratio))
        if (pruned.roots < 0).any():  # a sum has no tree with a split left
            return pruned
        return merge_equal_subtrees(fit_leaves(pruned, values, sums))


def _prune(trees: Trees, visits: Ints, ratio: float) -> Trees:
    """Return the ensemble with at most ``ratio`` of its leaves.

    Args:
        trees: An ensemble whose trees share no leaves.
        visits: Rows that reach each leaf, at least one.
        ratio: Largest share of the leaves to keep.
    """
    subtrees = _Subtrees.of(trees, visits)
    low, high = 0.0, float(subtrees.error[np.isfinite(subtrees.error)].max(initial=0.0)) + 1e-12
    price = high
    max_leaves = ratio * len(trees.leaf_value)
    for _ in range(_ROUNDS):
        middle = np.sqrt(max(low, high * 1e-12) * high)
        if subtrees.prune(middle)[1] > max_leaves:
            low = middle
        else:
            price = high = middle
    is_leaf, _ = subtrees.prune(price)
    splits = np.flatnonzero(is_leaf)
    number = np.concatenate([np.arange(len(trees.feature)), np.arange(-len(trees.leaf_value), 0)])  # leaf n is -1 - n
    number[splits] = -1 - len(trees.leaf_value) - np.arange(len(splits))
    return replace(
        trees,
        roots=number[trees.roots],
        left=number[trees.left],
        right=number[trees.right],
        leaf_target=np.concatenate([trees.leaf_target, subtrees.target[splits]]),
        leaf_value=np.concatenate([trees.leaf_value, subtrees.mean[splits].astype(np.float32)]),
    ).reached()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subtrees:
    """The cost of a leaf in place of each node; arrays [splits + leaves], leaf n at the index -1 - n.

    Attributes:
        trees: The ensemble.
        error: Squared change of the sum over the rows that reach the node; infinite if its leaves add to several sums.
        mean: Value of the leaf in place of the node.
        target: Sum that this leaf adds to.
    """

    trees: Trees
    error: Floats
    mean: Floats
    target: Ints

    @classmethod
    def of(cls, trees: Trees, visits: Ints) -> _Subtrees:
        splits = np.zeros(len(trees.feature))
        rows = np.concatenate([splits, visits[::-1].astype(np.float64)])
        value = np.concatenate([splits, trees.leaf_value[::-1].astype(np.float64)])
        total, squares = rows * value, rows * np.square(value)
        target = np.concatenate([splits.astype(np.int64), trees.leaf_target[::-1]])
        several = np.zeros(len(rows), bool)
        for level in reversed(trees.levels()):
            left, right = trees.left[level], trees.right[level]
            for counted in (rows, total, squares):
                counted[level] = counted[left] + counted[right]
            target[level] = target[left]
            several[level] = several[left] | several[right] | (target[left] != target[right])
        mean = total / rows
        error = np.where(several, np.inf, np.maximum(squares - total * mean, 0.0))
        return cls(trees=trees, error=error, mean=mean, target=target)

    def prune(self, price: float) -> tuple[npt.NDArray[np.bool_], int]:
        """Return which splits become leaves, and how many leaves are left, where each leaf costs ``price``."""
        splits = len(self.trees.feature)
        is_leaf, cost, leaves = np.zeros(splits, bool), np.full(len(self.error), price), np.ones(len(self.error), int)
        for level in reversed(self.trees.levels()):
            left, right = self.trees.left[level], self.trees.right[level]
            split, alone = cost[left] + cost[right], self.error[level] + price
            is_leaf[level] = alone <= split
            cost[level] = np.minimum(split, alone)
            leaves[level] = np.where(is_leaf[level], 1, leaves[left] + leaves[right])
        return is_leaf, int(leaves[self.trees.roots].sum())
