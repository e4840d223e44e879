"""Read the trees of scikit-learn's forests (pipeline.graphs.tree_ensemble)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graphs.lightgbm_trees import round_down
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["forest_trees"]


def forest_trees(estimators: Sequence[Any], *, classes: int, columns: npt.NDArray[np.float32] | None = None) -> Trees:
    """Return the trees of a scikit-learn forest; the sums of their leaves are the forest's predictions.

    Args:
        estimators: The fitted trees.
        classes: Number of classes; 0 for a regression.
        columns: If the forest was fitted on fewer classes, the 0/1 matrix [fitted classes, classes] that maps the
            forest's columns to all classes; else None.

    Returns:
        Trees with one sum (the value, or the probability of the second of two classes) or one sum per class. A leaf
        adds to one sum only. So with more than two classes, a tree is written once for the likeliest class of each
        leaf, once for the second likeliest, and so on, each time without splits below which all leaves are 0.
    """
    shape = Trees.join([_forest_tree(tree.tree_) for tree in estimators])
    leaves = np.concatenate([tree.tree_.value[tree.tree_.children_left < 0, 0] for tree in estimators])
    if columns is not None:
        leaves = leaves @ columns
    leaves = leaves / len(estimators)
    if classes <= 2:
        return replace(shape, leaf_value=leaves[:, -1].astype(np.float32))
    order = np.argsort(-leaves, axis=1, kind="stable")
    copies = []
    for target in order.T:
        value = np.take_along_axis(leaves, target[:, None], axis=1)[:, 0]
        if not value.any():
            break
        copies.append(_without_zeros(replace(shape, leaf_target=target, leaf_value=value.astype(np.float32))))
    return Trees.join(copies)


def _forest_tree(tree: Any) -> Trees:
    """Return the splits of a scikit-learn tree; the leaves have the order of the tree's nodes and the value 0."""
    leaf = tree.children_left < 0
    split = ~leaf
    number = np.where(leaf, -np.cumsum(leaf), np.cumsum(split) - 1)
    return Trees(
        roots=number[:1],
        feature=tree.feature[split].astype(np.int64),
        threshold=round_down(tree.threshold[split]),
        left=number[tree.children_left[split]],
        right=number[tree.children_right[split]],
        nan_left=np.zeros(int(split.sum()), np.int64),
        leaf_target=np.zeros(int(leaf.sum()), np.int64),
        leaf_value=np.zeros(int(leaf.sum()), np.float32),
    )


def _without_zeros(trees: Trees) -> Trees:
    """Remove splits below which every leaf is 0, and trees whose leaves are all 0."""
    splits = len(trees.feature)
    zero = np.concatenate([np.zeros(splits, bool), (trees.leaf_value == 0)[::-1]])  # leaf n is index -1 - n
    for level in reversed(trees.levels()):
        zero[level] = zero[trees.left[level]] & zero[trees.right[level]]
    shared = -1 - len(trees.leaf_value)  # number of one new leaf that replaces all leaves of value 0
    return replace(
        trees,
        roots=trees.roots[~zero[trees.roots]],
        left=np.where(zero[trees.left], shared, trees.left),
        right=np.where(zero[trees.right], shared, trees.right),
        leaf_target=np.append(trees.leaf_target, 0),
        leaf_value=np.append(trees.leaf_value, np.float32(0)),
    ).reached()
