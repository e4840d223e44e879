"""Trees in preorder: a branch's true child follows it, so that the stored structure repeats itself.

Requires  a tree ensemble.
Does      orders and numbers the nodes of each tree from its root, the true child first, and the leaves' weights alike.
Ensures   the same trees: each node with its feature, threshold, children and weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.compression.passes import GraphPass, PassResult
from pipeline.contracts.errors import CompressionError, NotApplicableError

__all__ = ["OrderTrees"]

_TREE_OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_NODES, _TREE, _NODE = "nodes_", "nodes_treeids", "nodes_nodeids"
_TRUE, _FALSE = "nodes_truenodeids", "nodes_falsenodeids"
_LEAF = b"LEAF"

Ints = npt.NDArray[np.int64]


class OrderTrees(GraphPass):
    """Order the nodes of every tree ensemble of ai.onnx.ml up to version 4."""

    def requires(self, model: bytes) -> None:
        if not any(True for _ in _ensembles(onnx.load_from_string(model).graph)):
            raise NotApplicableError("the model has no trees")

    def call(self, model: bytes) -> PassResult:
        graph = onnx.load_from_string(model)
        for node in _ensembles(graph.graph):
            _reorder(node)
        ordered = graph.SerializeToString()
        return PassResult(model=ordered, modified=ordered != model)

    def ensures(self, model: bytes) -> None:
        for node in _ensembles(onnx.load_from_string(model).graph):
            lists = _lists(node)
            branches = lists["nodes_modes"] != _LEAF
            if (lists[_TRUE][branches] != lists[_NODE][branches] + 1).any():
                raise CompressionError("a tree's nodes are not in preorder")


def _ensembles(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    return (node for node in graph.node if node.op_type in _TREE_OPERATORS)


def _lists(node: onnx.NodeProto) -> dict[str, npt.NDArray[Any]]:
    """The attributes that list something, by name."""
    kinds = {onnx.AttributeProto.INTS: "ints", onnx.AttributeProto.FLOATS: "floats"}
    lists: dict[str, npt.NDArray[Any]] = {}
    for attribute in node.attribute:
        if attribute.type in kinds:
            dtype = np.int64 if attribute.type == onnx.AttributeProto.INTS else np.float32
            lists[attribute.name] = np.array(getattr(attribute, kinds[attribute.type]), dtype)
        elif attribute.type == onnx.AttributeProto.STRINGS:
            lists[attribute.name] = np.array(list(attribute.strings), object)
    return lists


def _reorder(node: onnx.NodeProto) -> None:
    lists = _lists(node)
    true, false = _children(lists)
    order, numbers = _preorder(lists, true, false)
    nodes = {name: values[order] for name, values in lists.items() if name.startswith(_NODES) and len(values)}
    branches = nodes["nodes_modes"] != _LEAF
    nodes[_NODE] = numbers[order]
    nodes[_TRUE] = np.where(branches, numbers[true[order]], 0)
    nodes[_FALSE] = np.where(branches, numbers[false[order]], 0)
    _write(node, {**nodes, **_ordered_weights(lists, order, numbers)})


def _ordered_weights(lists: dict[str, npt.NDArray[Any]], order: Ints, numbers: Ints) -> dict[str, npt.NDArray[Any]]:
    """The leaves' lists in the order of their nodes, then of what they weigh."""
    prefix = "class_" if "class_ids" in lists else "target_"
    leaves = _find(lists, lists[f"{prefix}treeids"], lists[f"{prefix}nodeids"])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    by_leaf = np.lexsort((lists[f"{prefix}ids"], rank[leaves]))
    weights = {f"{prefix}{part}": lists[f"{prefix}{part}"][by_leaf] for part in ("treeids", "ids", "weights")}
    return {**weights, f"{prefix}nodeids": numbers[leaves[by_leaf]]}


def _children(lists: dict[str, npt.NDArray[Any]]) -> tuple[Ints, Ints]:
    """The index of each node's true and false child; a leaf's are its own."""
    branches = lists["nodes_modes"] != _LEAF
    own = np.arange(len(branches))
    true, false = own.copy(), own.copy()
    for children, name in ((true, _TRUE), (false, _FALSE)):
        children[branches] = _find(lists, lists[_TREE][branches], lists[name][branches])
    return true, false


def _find(lists: dict[str, npt.NDArray[Any]], trees: Ints, nodes: Ints) -> Ints:
    """The indices of these nodes of these trees."""
    width = int(max(lists[_NODE].max(initial=0), nodes.max(initial=0))) + 1
    keys = lists[_TREE] * width + lists[_NODE]
    by_key = np.argsort(keys, kind="stable")
    wanted = trees * width + nodes
    index = by_key[np.minimum(np.searchsorted(keys, wanted, sorter=by_key), len(by_key) - 1)]
    if (keys[index] != wanted).any():
        raise NotApplicableError("a tree names a node that it does not have")
    return index.astype(np.int64)


def _preorder(lists: dict[str, npt.NDArray[Any]], true: Ints, false: Ints) -> tuple[Ints, Ints]:
    """The nodes' indices in their new order, and the new number of each within its tree."""
    count = len(true)
    is_child = np.zeros(count, bool)
    branches = np.flatnonzero(true != np.arange(count))
    is_child[true[branches]] = is_child[false[branches]] = True
    left, right = true.tolist(), false.tolist()
    order: list[int] = []
    numbers = np.zeros(count, np.int64)
    roots = np.flatnonzero(~is_child)
    for root in roots[np.argsort(lists[_TREE][roots], kind="stable")].tolist():
        start, pending = len(order), [root]
        while pending:
            index = pending.pop()
            order.append(index)
            if left[index] != index:
                pending += (right[index], left[index])
            if len(order) > count:
                break
        numbers[order[start:]] = np.arange(len(order) - start)
    if len(order) != count or len(np.unique(lists[_TREE][roots])) != len(roots):
        raise NotApplicableError("the nodes are no trees with one root each")
    return np.array(order, np.int64), numbers


def _write(node: onnx.NodeProto, lists: dict[str, npt.NDArray[Any]]) -> None:
    for attribute in node.attribute:
        values = lists.get(attribute.name)
        if values is None:
            continue
        field = {onnx.AttributeProto.INTS: "ints", onnx.AttributeProto.FLOATS: "floats"}.get(attribute.type, "strings")
        del getattr(attribute, field)[:]
        getattr(attribute, field).extend(values.tolist())
