"""Trees in preorder: a split's true child follows the split, so that the structure need not be stored.

Requires  a tree ensemble (ai.onnx.ml 5).
Does      numbers the splits of each tree from its root, the true child first, and the leaves in order of first use.
Ensures   the same trees in the same order: each split with its feature, threshold and children.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import AttributeProto, numpy_helper

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.contracts.errors import CompressionError, NotApplicableError
from pipeline.graphs.tree_ensemble import find_tree_nodes

__all__ = ["OrderTrees"]

_ROOTS, _TRUE, _FALSE = "tree_roots", "nodes_truenodeids", "nodes_falsenodeids"
_TRUE_LEAF, _FALSE_LEAF = "nodes_trueleafs", "nodes_falseleafs"

Ints = npt.NDArray[np.int64]


class OrderTrees(GraphPass):
    """Order the splits and leaves of every TreeEnsemble node; predictions stay identical to the bit."""

    def requires(self, model: onnx.ModelProto) -> None:
        """Check that the pass applies to the model.

        Raises:
            NotApplicableError: The model has no trees.
        """
        if not any(True for _ in find_tree_nodes(model.graph)):
            raise NotApplicableError("the model has no trees")

    def call(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Order the trees."""
        for node in find_tree_nodes(model.graph):
            _reorder(node)
        return model

    def ensures(self, model: onnx.ModelProto) -> None:
        """Check what the pass promises.

        Raises:
            CompressionError: A tree is not in preorder.
        """
        for node in find_tree_nodes(model.graph):
            lists = _int_lists(node)
            splits = np.flatnonzero(lists[_TRUE_LEAF] == 0)
            if (lists[_TRUE][splits] != splits + 1).any():
                raise CompressionError("a tree's splits are not in preorder")


def _int_lists(node: onnx.NodeProto) -> dict[str, Ints]:
    return {
        attribute.name: np.array(attribute.ints, np.int64)
        for attribute in node.attribute
        if attribute.type == AttributeProto.INTS
    }


def _reorder(node: onnx.NodeProto) -> None:
    lists = _int_lists(node)
    splits, leaves = _preorder(lists)
    split_number, leaf_number = _inverse(splits), _inverse(leaves)
    for side, is_leaf in ((_TRUE, _TRUE_LEAF), (_FALSE, _FALSE_LEAF)):
        at_leaf = lists[is_leaf] == 1
        lists[side] = np.where(
            at_leaf, leaf_number[np.where(at_leaf, lists[side], 0)], split_number[np.where(at_leaf, 0, lists[side])]
        )
    lists[_ROOTS] = split_number[lists[_ROOTS]]
    for attribute in node.attribute:
        order = leaves if attribute.name.startswith("leaf_") else splits
        if attribute.type == AttributeProto.TENSOR:
            tensor = numpy_helper.to_array(attribute.t)[order]
            attribute.t.CopyFrom(numpy_helper.from_array(tensor, attribute.t.name))
        elif attribute.type == AttributeProto.INTS:
            values = lists[attribute.name] if attribute.name == _ROOTS else lists[attribute.name][order]
            del attribute.ints[:]
            attribute.ints.extend(values.tolist())


def _preorder(lists: dict[str, Ints]) -> tuple[Ints, Ints]:
    """Return the splits and the leaves in preorder, a shared leaf once; leaves that belong to no tree come last."""
    sides = list(zip(*(lists[name].tolist() for name in (_TRUE_LEAF, _TRUE, _FALSE_LEAF, _FALSE)), strict=True))
    splits: list[int] = []
    leaves: dict[int, None] = {}
    for root in lists[_ROOTS].tolist():
        pending = [(0, root)]
        while pending:
            is_leaf, index = pending.pop()
            if is_leaf:
                leaves.setdefault(index)
                continue
            splits.append(index)
            if len(splits) > len(sides):
                break
            true_leaf, true, false_leaf, false = sides[index]
            pending += ((false_leaf, false), (true_leaf, true))
    if len(splits) != len(sides) or len(set(splits)) != len(sides):
        raise NotApplicableError("the nodes are no trees: each split belongs to one tree")
    for index in range(len(lists["leaf_targetids"])):
        leaves.setdefault(index)
    return np.array(splits, np.int64), np.array(list(leaves), np.int64)


def _inverse(order: Ints) -> Ints:
    numbers = np.empty_like(order)
    numbers[order] = np.arange(len(order))
    return numbers
