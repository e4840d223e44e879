"""Decision trees as one ONNX node, the TreeEnsemble of ai.onnx.ml 5: a third of the bytes of TreeEnsembleRegressor.

Thresholds are the greatest float32 that is not above the library's float64: since columns are float32 every row goes
the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["Trees", "forest_trees", "lightgbm_trees", "round_down"]

_TRACKS_NAN = 8  # bits of LightGBM's decision_type: missing values are NaN, ...
_NAN_LEFT = 2  # ... and go left
_LESS_OR_EQUAL = 0  # the operator's number for x <= split
_SUM, _NO_TRANSFORM = 1, 0  # the operator's numbers

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trees:
    """Trees whose leaves add up, in flat arrays.

    A row goes left at a split where ``row[feature] <= threshold``, or where that is NaN and ``nan_left`` is 1.

    Shapes:
        ``roots`` [trees]; ``feature``, ``threshold``, ``left``, ``right``, ``nan_left`` [splits];
        ``leaf_target``, ``leaf_value`` [leaves]. ``roots``, ``left`` and ``right`` hold the number of a split, or
        ``-1 - n`` for leaf n. ``leaf_target``: which of the sums a leaf's value is added to.
    """

    roots: Ints
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    nan_left: Ints
    leaf_target: Ints
    leaf_value: Floats

    def __len__(self) -> int:
        return len(self.roots)

    @classmethod
    def join(cls, ensembles: Sequence[Self]) -> Self:
        """All trees of several ensembles."""
        splits = np.cumsum([0, *(len(trees.feature) for trees in ensembles)])
        leaves = np.cumsum([0, *(len(trees.leaf_value) for trees in ensembles)])

        def joined(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(trees, name) for trees in ensembles])

        def renumbered(name: str) -> Ints:
            numbers = [
                np.where(indices < 0, indices - leaf, indices + split)
                for indices, split, leaf in zip(
                    (getattr(trees, name) for trees in ensembles), splits[:-1], leaves[:-1], strict=True
                )
            ]
            return np.concatenate(numbers)

        return cls(
            roots=renumbered("roots"),
            feature=joined("feature"),
            threshold=joined("threshold"),
            left=renumbered("left"),
            right=renumbered("right"),
            nan_left=joined("nan_left"),
            leaf_target=joined("leaf_target"),
            leaf_value=joined("leaf_value"),
        )

    def moved(self, *, features: Ints, target: int, factor: float = 1.0) -> Self:
        """Return the same trees over other columns, added to other sums.

        Args:
            features: the new number of each column.
            target: what the number of a sum grows by.
            factor: what each leaf's value is multiplied by.
        """
        return replace(
            self,
            feature=features[self.feature],
            leaf_target=self.leaf_target + target,
            leaf_value=(self.leaf_value.astype(np.float64) * factor).astype(np.float32),
        )

    def node(self, features: str, output: str, *, targets: int) -> onnx.NodeProto:
        """Make the node from ``features``, float32 [batch, columns], to ``output`` [batch, targets].

        Raises:
            ValueError: A leaf adds to a target that is not there.
        """
        trees = self._with_splits()
        if len(trees.leaf_value) and trees.leaf_target.max() >= targets:
            raise ValueError(f"a leaf adds to sum {trees.leaf_target.max()}, and there are {targets}")

        def child(side: Ints) -> list[int]:
            return np.where(side < 0, -1 - side, side).tolist()  # type: ignore[no-any-return]

        def is_leaf(side: Ints) -> list[int]:
            return (side < 0).astype(np.int64).tolist()  # type: ignore[no-any-return]

        return helper.make_node(
            "TreeEnsemble",
            [features],
            [output],
            domain="ai.onnx.ml",
            n_targets=targets,
            aggregate_function=_SUM,
            post_transform=_NO_TRANSFORM,
            tree_roots=trees.roots.tolist(),
            nodes_modes=numpy_helper.from_array(np.full(len(trees.feature), _LESS_OR_EQUAL, np.uint8), "modes"),
            nodes_splits=numpy_helper.from_array(trees.threshold, "splits"),
            nodes_featureids=trees.feature.tolist(),
            nodes_truenodeids=child(trees.left),
            nodes_falsenodeids=child(trees.right),
            nodes_trueleafs=is_leaf(trees.left),
            nodes_falseleafs=is_leaf(trees.right),
            leaf_targetids=trees.leaf_target.tolist(),
            leaf_weights=numpy_helper.from_array(trees.leaf_value, "weights"),
            **({"nodes_missing_value_tracks_true": trees.nan_left.tolist()} if trees.nan_left.any() else {}),
        )

    def _with_splits(self) -> Self:
        """Give a tree of a single leaf a split whose two sides are that leaf, as the operator requires."""
        alone = self.roots < 0
        count = int(alone.sum())
        if not count:
            return self
        roots = self.roots.copy()
        roots[alone] = len(self.feature) + np.arange(count)
        none = np.zeros(count, np.int64)
        return replace(
            self,
            roots=roots,
            feature=np.concatenate([self.feature, none]),
            threshold=np.concatenate([self.threshold, none.astype(np.float32)]),
            left=np.concatenate([self.left, self.roots[alone]]),
            right=np.concatenate([self.right, self.roots[alone]]),
            nan_left=np.concatenate([self.nan_left, none]),
        )


def round_down(thresholds: npt.NDArray[np.float64]) -> Floats:
    """Return the greatest float32 that is not above each threshold."""
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, and then the greatest number
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def lightgbm_trees(text: str, *, targets: int) -> Trees:
    """LightGBM's trees, read from the text that it saves; they add to the ``targets`` sums in turns.

    The splits are of numbers alone, and of columns that are NaN only where training had gaps.
    """
    blocks = enumerate(_lightgbm_fields(text))
    return Trees.join([_lightgbm_tree(fields, target=number % targets) for number, fields in blocks])


def _lightgbm_fields(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each tree."""
    for block in text.split("\nTree=")[1:]:
        lines = block.split("\n\n", 1)[0].splitlines()[1:]
        yield dict(line.split("=", 1) for line in lines if "=" in line)


def _lightgbm_tree(fields: dict[str, str], *, target: int) -> Trees:
    """LightGBM counts leaves -1, -2, ... too."""
    leaves = _numbers(fields["leaf_value"], np.float64).astype(np.float32)
    splits = len(leaves) - 1
    kinds = _numbers(fields.get("decision_type", ""), np.int64)[:splits]
    return Trees(
        roots=np.array([0 if splits else -1]),
        feature=_numbers(fields.get("split_feature", ""), np.int64)[:splits],
        threshold=round_down(_numbers(fields.get("threshold", ""), np.float64)[:splits]),
        left=_numbers(fields.get("left_child", ""), np.int64)[:splits],
        right=_numbers(fields.get("right_child", ""), np.int64)[:splits],
        nan_left=((kinds & _TRACKS_NAN > 0) & (kinds & _NAN_LEFT > 0)).astype(np.int64),
        leaf_target=np.full(len(leaves), target),
        leaf_value=leaves,
    )


def _numbers(field: str, kind: type) -> npt.NDArray[Any]:
    return np.array(field.split(), kind)


def forest_trees(estimators: Sequence[Any], *, classes: int, columns: npt.NDArray[np.float32] | None = None) -> Trees:
    """Return the trees of a scikit-learn forest, whose sums are its answer.

    Args:
        estimators: its fitted trees.
        classes: how many there are; 0: values.
        columns: where it was fitted on rows of fewer classes, the 0/1 matrix [fitted classes, classes] that moves each
            of its columns to its class.

    Returns:
        Trees of one sum: the value, or of two classes the second one's probability. Of more classes a sum each; since a
        leaf adds to one sum, a tree is written once for the likeliest class of each leaf, once for the second, and so
        on, each time without the splits below which nothing is left to add. Leaves of one class cost one tree.
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
    """Its splits; its leaves, in the order of its nodes, are 0."""
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
    """Without the splits below which every leaf is 0, and without the trees that are 0."""
    splits = len(trees.feature)
    zero = np.concatenate([np.zeros(splits, bool), (trees.leaf_value == 0)[::-1]])  # leaf n has the index -1 - n
    for level in reversed(_levels(trees)):
        zero[level] = zero[trees.left[level]] & zero[trees.right[level]]
    nonzero_splits = np.flatnonzero(~zero[:splits])
    # What is 0 becomes one leaf of value 0, which all of them share.
    nonzero_leaves = np.flatnonzero(trees.leaf_value != 0)
    number = np.full(len(zero), -1 - len(nonzero_leaves))
    number[nonzero_splits] = np.arange(len(nonzero_splits))
    number[-1 - nonzero_leaves] = -1 - np.arange(len(nonzero_leaves))
    roots = trees.roots[~zero[trees.roots]]
    return Trees(
        roots=number[roots],
        feature=trees.feature[nonzero_splits],
        threshold=trees.threshold[nonzero_splits],
        left=number[trees.left[nonzero_splits]],
        right=number[trees.right[nonzero_splits]],
        nan_left=trees.nan_left[nonzero_splits],
        leaf_target=np.append(trees.leaf_target[nonzero_leaves], 0),
        leaf_value=np.append(trees.leaf_value[nonzero_leaves], np.float32(0)),
    )


def _levels(trees: Trees) -> list[Ints]:
    """Return the splits of each depth, the roots first."""
    levels = []
    level = trees.roots[trees.roots >= 0]
    while len(level):
        levels.append(level)
        below = np.concatenate([trees.left[level], trees.right[level]])
        level = below[below >= 0]
    return levels
