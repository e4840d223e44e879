"""Remove splits whose two sides are the same subtree; there are many of them when leaves share a few values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.graphs.tree_ensemble import Trees

__all__ = ["merge_equal_subtrees"]

Ints = npt.NDArray[np.int64]


def merge_equal_subtrees(trees: Trees) -> Trees:
    """Replace each split whose two sides are equal by one of them, and add trees of one leaf to another tree.

    Sums stay the same up to rounding.

    Args:
        trees: Each split belongs to one tree.
    """
    return _add_constants(_merge(trees).reached()).reached()


def _merge(trees: Trees) -> Trees:
    """Give equal subtrees the same number, from the leaves up; skip a split whose two sides have the same number."""
    bits = (trees.leaf_value + np.float32(0)).view(np.uint32)  # -0 becomes 0
    keys = np.stack([trees.leaf_target, bits.astype(np.int64)], axis=1)
    _, leaf_numbers = np.unique(keys, axis=0, return_inverse=True)
    leaf_number: list[int] = leaf_numbers.ravel().tolist()
    left, right = trees.left.tolist(), trees.right.tolist()
    decisions = list(zip(trees.feature.tolist(), trees.threshold.tolist(), trees.nan_left.tolist(), strict=True))
    child = list(range(len(left)))  # the node used for each split: the split itself, or its replacement
    number = [0] * len(left)
    numbers: dict[tuple[object, int, int], int] = {}
    for split in reversed(np.concatenate([*trees.levels(), np.zeros(0, np.int64)]).tolist()):
        sides = [child[side] if side >= 0 else side for side in (left[split], right[split])]
        first, second = (number[side] if side >= 0 else -1 - leaf_number[-1 - side] for side in sides)
        left[split], right[split] = sides
        if first == second:
            child[split], number[split] = sides[0], first
        else:
            number[split] = numbers.setdefault((decisions[split], first, second), len(numbers))
    roots = [child[root] if root >= 0 else root for root in trees.roots.tolist()]
    return replace(trees, roots=np.array(roots), left=np.array(left, np.int64), right=np.array(right, np.int64))


def _add_constants(trees: Trees) -> Trees:
    """Add trees of a single leaf to the leaves of a tree that adds only to the same sum, if there is one."""
    value = trees.leaf_value.astype(np.float64)
    uses = np.bincount(
        -1 - np.concatenate([side[side < 0] for side in (trees.left, trees.right)]), minlength=len(value)
    )
    roots = list(trees.roots[trees.roots >= 0])
    constants = -1 - trees.roots[trees.roots < 0]
    for target in np.unique(trees.leaf_target[constants]):
        leaves = constants[trees.leaf_target[constants] == target]
        receiving = _leaves_of_target(trees, int(target), uses)
        if receiving is None:
            roots += list(-1 - leaves)
        else:
            value[receiving] += value[leaves].sum()
    return replace(trees, roots=np.array(roots, np.int64), leaf_value=value.astype(np.float32))


def _leaves_of_target(trees: Trees, target: int, uses: Ints) -> Ints | None:
    """Return the leaves of the first tree whose leaves are not shared and all add to ``target``; None without one."""
    for root in trees.roots[trees.roots >= 0]:
        splits = np.concatenate(replace(trees, roots=np.array([root])).levels())
        sides = np.concatenate([trees.left[splits], trees.right[splits]])
        leaves = -1 - sides[sides < 0]
        if (trees.leaf_target[leaves] == target).all() and (uses[leaves] == 1).all():
            return leaves
    return None
