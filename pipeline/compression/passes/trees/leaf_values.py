"""Fit leaf values of trees whose structure stays the same, by coordinate descent over the trees.

Each step moves the leaves of one tree by the mean residual of their rows, like a step of gradient boosting (Friedman
2001, https://doi.org/10.1214/aos/1013203451), shrunk by a ridge penalty on the change.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.compression.training_rows import run_in_batches
from pipeline.graphs.codebooks import fit_codebook
from pipeline.graphs.compose import make_model
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["LeafValues", "compute_sums", "count_visits", "find_leaves", "fit_leaves", "separate_leaves"]

_RIDGE = 5.0  # ridge penalty: a leaf's initial value counts as much as 5 rows
_STEP = 0.5  # fraction of the step to a tree's own optimum: the other trees move, too
_SWEEPS = 6
_MIN_ROWS, _MAX_VISITS = 64, 40_000_000  # visits are trees x rows: about ten seconds, and one byte each
_FEATURES, _SUMS = "features", "sums"

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def compute_sums(trees: Trees, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the sums of an ensemble [rows, targets], by onnxruntime on one thread."""
    targets = int(trees.leaf_target.max()) + 1
    graph_input = helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, ["batch", features.shape[1]])
    graph_output = helper.make_tensor_value_info(_SUMS, TensorProto.FLOAT, ["batch", targets])
    node = trees.node(_FEATURES, _SUMS, targets=targets)
    model: onnx.ModelProto = make_model("trees", [node], [graph_input], [graph_output])
    return run_in_batches(model.SerializeToString(), {_FEATURES: features}).astype(np.float32)


def separate_leaves(trees: Trees) -> tuple[Trees, Ints]:
    """Copy shared leaves, so that no two trees share one, and number all leaves tree by tree.

    Args:
        trees: An ensemble in which each tree has a split.

    Returns:
        The ensemble, and the number of the first leaf of each tree, followed by the number of all leaves.
    """
    owner = np.zeros(len(trees.feature), np.int64)
    level, tree = trees.roots, np.arange(len(trees.roots))
    while len(level):
        owner[level] = tree
        below, tree = np.concatenate([trees.left[level], trees.right[level]]), np.concatenate([tree, tree])
        level, tree = below[below >= 0], tree[below >= 0]
    sides = np.stack([trees.left, trees.right], axis=1)
    split, side = np.nonzero(sides < 0)
    order = np.argsort(owner[split], kind="stable")
    split, side = split[order], side[order]
    leaves = -1 - sides[split, side]
    sides[split, side] = -1 - np.arange(len(leaves))
    owned = replace(
        trees,
        left=sides[:, 0],
        right=sides[:, 1],
        leaf_target=trees.leaf_target[leaves],
        leaf_value=trees.leaf_value[leaves],
    )
    return owned, np.searchsorted(owner[split], np.arange(len(trees.roots) + 1))


def find_leaves(trees: Trees, starts: Ints, features: npt.NDArray[np.float32]) -> npt.NDArray[np.unsignedinteger]:
    """Return the leaf that each row reaches, counted from the first leaf of the tree [trees, rows].

    Args:
        trees: An ensemble whose trees share no leaves.
        starts: The number of the first leaf of each tree, followed by the number of all leaves.
        features: Inputs of the ensemble [rows, columns].
    """
    sizes = np.diff(starts)
    number = np.arange(len(trees.leaf_value)) - np.repeat(starts[:-1], sizes)
    numbered = replace(
        trees,
        leaf_target=np.repeat(np.arange(len(sizes)), sizes),
        leaf_value=number.astype(np.float32),  # exact up to 2 ** 24 leaves per tree
    )
    smallest = np.min_scalar_type(int(sizes.max()) - 1)
    return np.ascontiguousarray(compute_sums(numbered, features).astype(smallest).T)


def count_visits(reached: npt.NDArray[np.unsignedinteger], starts: Ints) -> Ints:
    """Return the number of rows that reach each leaf, plus one.

    Args:
        reached: Leaf that each row reaches [trees, rows], from find_leaves.
        starts: The number of the first leaf of each tree, followed by the number of all leaves.
    """
    counts = [np.bincount(leaves, minlength=size) for leaves, size in zip(reached, np.diff(starts), strict=True)]
    return np.concatenate(counts) + 1


def fit_leaves(trees: Trees, features: npt.NDArray[np.float32], sums: Floats) -> Trees:
    """Return the ensemble with leaves fitted to sums, on as many rows as take about ten seconds.

    Args:
        trees: An ensemble in which each tree has a split.
        features: Inputs of the ensemble [rows, columns], in random order.
        sums: Sums to fit [rows, targets].
    """
    count = max(_MIN_ROWS, _MAX_VISITS // len(trees))
    leaves = LeafValues(trees, features[:count], sums[:count])
    leaves.fit(_SWEEPS)
    return leaves.trees


class LeafValues:
    """The leaves of an ensemble, and the rows that reach each of them.

    Args:
        trees: An ensemble in which each tree has a split.
        features: Inputs of the ensemble [rows, columns].
        sums: Sums to fit [rows, targets].
    """

    def __init__(self, trees: Trees, features: npt.NDArray[np.float32], sums: Floats) -> None:
        self._trees, self._starts = separate_leaves(trees)
        self._values = self._trees.leaf_value.astype(np.float64)
        self._min_value = 0.0 if self._values.min() >= 0 else -math.inf  # e.g. sums of class shares stay 0 or more
        self._reached = find_leaves(self._trees, self._starts, features)
        self._visits = count_visits(self._reached, self._starts) - 1
        self._residuals = np.array(sums, np.float64, order="F")
        for tree in range(len(self._trees)):
            self._subtract(tree, self._values[self._leaves_of(tree)])

    def fit(self, sweeps: int) -> None:
        """Move the leaves of every tree ``sweeps`` times."""
        initial = self._values.copy()
        for _ in range(sweeps):
            for tree in range(len(self._trees)):
                leaves = self._leaves_of(tree)
                count, residuals = self._sum_residuals(tree)
                step = (residuals - _RIDGE * (self._values[leaves] - initial[leaves])) / (count + _RIDGE)
                self._move(tree, np.maximum(self._values[leaves] + _STEP * step, self._min_value))

    def quantize(self, count: int) -> None:
        """Give each leaf one of ``count`` values; later trees compensate for the errors of earlier ones."""
        codebook = fit_codebook(self._values, count, (self._visits + 1).astype(np.float64))
        boundaries = (codebook[1:] + codebook[:-1]) / 2
        for tree in range(len(self._trees)):
            visits, residuals = self._sum_residuals(tree)
            target = self._values[self._leaves_of(tree)] + residuals / (visits + _RIDGE)
            self._move(tree, codebook[np.searchsorted(boundaries, target)])

    @property
    def trees(self) -> Trees:
        """The ensemble with the new values."""
        return replace(self._trees, leaf_value=self._values.astype(np.float32))

    def _leaves_of(self, tree: int) -> slice:
        return slice(self._starts[tree], self._starts[tree + 1])

    def _sum_residuals(self, tree: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the number of rows that reach each leaf of a tree, and the sum of their residuals."""
        visits = self._visits[self._leaves_of(tree)]
        residuals = self._residuals[self._sums_of(tree)]
        return visits, np.bincount(self._reached[tree], residuals, minlength=len(visits))

    def _move(self, tree: int, values: npt.NDArray[np.float64]) -> None:
        leaves = self._leaves_of(tree)
        self._subtract(tree, values - self._values[leaves])
        self._values[leaves] = values

    def _subtract(self, tree: int, values: npt.NDArray[np.float64]) -> None:
        """Subtract one value per leaf of a tree from the residuals of the rows that reach the leaf."""
        self._residuals[self._sums_of(tree)] -= values[self._reached[tree]]

    def _sums_of(self, tree: int) -> tuple[Any, Any]:
        """Return the index of the sums that a tree's leaves add to; for a single sum it makes a view, not a copy."""
        targets = self._trees.leaf_target[self._leaves_of(tree)]
        if (targets == targets[0]).all():
            return slice(None), targets[0]
        return np.arange(len(self._residuals)), targets[self._reached[tree]]
