"""Which trees of an ensemble stay, and by what their leaves are multiplied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.compression.passes.trees.leaf_values import compute_sums, find_leaves, own_leaves
from pipeline.compression.passes.trees.pursuit import Pursuit
from pipeline.graphs.tree_ensemble import Trees

__all__ = ["Choice", "choose_by_place", "choose_greedily", "group_trees"]

Choice = Literal["greedy", "evenly", "first"]

_MAX_TREES = 7_000  # of one sum that are chosen among: their products have then 200 MB
_MAX_ROWS = 8_000
_ROWS_AT_ONCE = 1_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def group_trees(trees: Trees, starts: Ints) -> Ints:
    """Group the trees by the sum that their leaves add to; those of several sums are one group.

    Args:
        trees: Each tree has leaves of its own.
        starts: The number of the first leaf of each tree, followed by the number of all leaves.

    Returns:
        The group of each tree.
    """
    first, last = (extreme.reduceat(trees.leaf_target, starts[:-1]) for extreme in (np.minimum, np.maximum))
    _, group = np.unique(np.where(first == last, first, -1), return_inverse=True)
    return group


def choose_by_place(group: Ints, step: int, choice: Literal["evenly", "first"]) -> npt.NDArray[np.float64]:
    """Return the factor of each tree's leaves, 0 of those that go: every ``step``-th of a group stays, or the first.

    Args:
        group: Group of each tree.
        step: One tree of so many is kept.
        choice: ``evenly`` or ``first``.
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
    """Return the factor of each tree's leaves, 0 of those that go: orthogonal matching pursuit of each group's sum.

    Of trees whose leaves are 0 or more, those whose factor would be negative go.

    Args:
        trees: Each tree has leaves of its own.
        group: Group of each tree.
        step: One tree of so many is kept.
        features: What the ensemble reads, [rows, columns].
        cache: Where the pursuit of a group stays for the next strength.
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
    """Return the covariances, times rows, of what trees add to sums: of each pair of candidates, and with all members.

    Args:
        trees: The ensemble.
        candidates: Some of its trees.
        members: All trees of their group.
        features: What the ensemble reads, [rows, columns].
    """
    apart, starts = own_leaves(replace(trees, roots=trees.roots[candidates]).reached())
    together = replace(trees, roots=trees.roots[members]).reached()
    reached, sums = find_leaves(apart, starts, features), compute_sums(together, features)
    products = np.zeros((len(candidates), len(candidates)), np.float32)
    with_sum = np.zeros(len(candidates))
    for target in np.unique(together.leaf_target):
        value = np.where(apart.leaf_target == target, apart.leaf_value, np.float32(0))
        missing = sums[:, target] - sums[:, target].mean()
        shift = value[starts[:-1, None] + reached[:, :_ROWS_AT_ONCE]].mean(axis=1, keepdims=True)
        for start in range(0, len(features), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            added = value[starts[:-1, None] + reached[:, rows]] - shift
            products += added @ added.T
            with_sum += added @ missing[rows]
    return products, with_sum
