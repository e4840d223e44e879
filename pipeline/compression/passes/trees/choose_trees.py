"""Choose the trees of an ensemble to keep, and the factors of their leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.compression.passes.trees.leaf_values import compute_sums, find_leaves, separate_leaves
from pipeline.compression.passes.trees.pursuit import Pursuit
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["Choice", "choose_by_position", "choose_greedily", "group_trees"]

Choice = Literal["greedy", "evenly", "first"]

_MAX_TREES = 7_000  # candidates per sum: the matrix of their products then takes 200 MB
_MAX_ROWS = 8_000
_ROWS_AT_ONCE = 1_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def group_trees(trees: Trees, starts: Ints) -> Ints:
    """Group the trees by the sum that their leaves add to; trees that add to several sums form one group.

    Args:
        trees: An ensemble whose trees share no leaves.
        starts: The number of the first leaf of each tree, followed by the number of all leaves.

    Returns:
        The group of each tree.
    """
    first, last = (extreme.reduceat(trees.leaf_target, starts[:-1]) for extreme in (np.minimum, np.maximum))
    _, group = np.unique(np.where(first == last, first, -1), return_inverse=True)
    return group


def choose_by_position(group: Ints, step: int, choice: Literal["evenly", "first"]) -> npt.NDArray[np.float64]:
    """Return the factor of each tree's leaves: keep every ``step``-th tree of a group, or its first trees.

    Args:
        group: Group of each tree.
        step: One tree in ``step`` is kept.
        choice: ``evenly`` or ``first``.

    Returns:
        Factor of each tree; 0 for trees that are removed.
    """
    factor = np.zeros(len(group))
    for trees in (np.flatnonzero(group == number) for number in np.unique(group)):
        count = -(-len(trees) // step)
        remaining = trees[::step] if choice == "evenly" else trees[:count]
        factor[remaining] = len(trees) / len(remaining)
    return factor


def choose_greedily(
    trees: Trees, group: Ints, step: int, features: Floats, cache: dict[str, Any]
) -> npt.NDArray[np.float64]:
    """Return the factor of each tree's leaves, by orthogonal matching pursuit of each group's sum.

    If all leaves are 0 or more, trees whose factor would be negative are removed.

    Args:
        trees: An ensemble whose trees share no leaves.
        group: Group of each tree.
        step: One tree in ``step`` is kept.
        features: Inputs of the ensemble [rows, columns].
        cache: Stores the pursuit of each group for the next strength.

    Returns:
        Factor of each tree; 0 for trees that are removed.
    """
    factor = np.zeros(len(group))
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        candidates = members[:: -(-len(members) // _MAX_TREES)]
        if (key := f"pursuit of {number}") not in cache:
            cache[key] = Pursuit(*_multiply(trees, candidates, members, features[:_MAX_ROWS]))
        factor[candidates] = cache[key].factors(-(-len(members) // step))
    return np.maximum(factor, 0) if trees.leaf_value.min() >= 0 else factor


def _multiply(
    trees: Trees, candidates: Ints, members: Ints, features: Floats
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Return covariances, times rows, of what trees add to sums: between candidates, and with the sum of all members.

    Args:
        trees: The ensemble.
        candidates: Some of its trees.
        members: All trees of their group.
        features: Inputs of the ensemble [rows, columns].

    Returns:
        [candidates, candidates] and [candidates].
    """
    candidate_trees, starts = separate_leaves(replace(trees, roots=trees.roots[candidates]).reached())
    member_trees = replace(trees, roots=trees.roots[members]).reached()
    reached, sums = find_leaves(candidate_trees, starts, features), compute_sums(member_trees, features)
    products = np.zeros((len(candidates), len(candidates)), np.float32)
    with_sum = np.zeros(len(candidates))
    for target in np.unique(member_trees.leaf_target):
        value = np.where(candidate_trees.leaf_target == target, candidate_trees.leaf_value, np.float32(0))
        centered = sums[:, target] - sums[:, target].mean()
        shift = value[starts[:-1, None] + reached[:, :_ROWS_AT_ONCE]].mean(axis=1, keepdims=True)
        for start in range(0, len(features), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            added = value[starts[:-1, None] + reached[:, rows]] - shift
            products += added @ added.T
            with_sum += added @ centered[rows]
    return products, with_sum
