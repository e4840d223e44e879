"""LightGBM's trees as an ONNX graph, read from the text that LightGBM saves.

onnxmltools does it too, node by node in Python: 25 s for the 8,000 trees of a bag, where this takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from pipeline.graphs.compose import make_model

__all__ = ["tree_graph"]

_TRACKS_NAN = 8  # bits of a node's decision_type: missing values are NaN, ...
_NAN_LEFT = 2  # ... and go left

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def tree_graph(text: str, *, features: str, width: int, classes: int) -> onnx.ModelProto:
    """``features`` float32 [batch, width] -> probabilities [batch, classes]; with 0 classes, values [batch, 1].

    ``text``: of numeric cuts whose thresholds are float32. The columns are NaN only where training had gaps.
    """
    columns = classes if classes > 2 else 1
    trees = [_Tree.of(lines, number) for number, lines in enumerate(_trees(text))]
    ensemble = onnx.NodeProto(op_type="TreeEnsembleRegressor", domain="ai.onnx.ml", input=[features], output=["raw"])
    ensemble.attribute.extend(_attributes(trees, columns))
    nodes, constants = [ensemble], []
    if classes == 2:
        nodes += [
            helper.make_node("Sigmoid", ["raw"], ["second"]),
            helper.make_node("Sub", ["one", "second"], ["first"]),
            helper.make_node("Concat", ["first", "second"], ["answer"], axis=1),
        ]
        constants.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    else:
        nodes.append(helper.make_node("Softmax" if classes else "Identity", ["raw"], ["answer"]))
    given = helper.make_tensor_value_info(features, TensorProto.FLOAT, ["batch", width])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", max(1, classes)])
    return make_model("trees", nodes, [given], [answer], constants)


def _trees(text: str) -> Iterator[dict[str, str]]:
    """The fields of each tree."""
    for block in text.split("\nTree=")[1:]:
        lines = block.split("\n\n", 1)[0].splitlines()[1:]
        yield dict(line.split("=", 1) for line in lines if "=" in line)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tree:
    """Nodes 0 .. cuts - 1 cut, the leaves follow; of a leaf, what only a cut has is 0."""

    number: int
    cuts: int
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    nan_left: Ints
    leaves: Floats

    @classmethod
    def of(cls, fields: dict[str, str], number: int) -> _Tree:
        leaves = _numbers(fields["leaf_value"], np.float64).astype(np.float32)
        cuts = len(leaves) - 1
        kinds = _numbers(fields.get("decision_type", ""), np.int64)[:cuts]

        def with_leaves(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate([values[:cuts], np.zeros(len(leaves), values.dtype)])

        def node_of(children: Ints) -> Ints:
            """LightGBM counts leaves -1, -2, ..."""
            return with_leaves(np.where(children < 0, cuts + ~children, children))

        return cls(
            number=number,
            cuts=cuts,
            feature=with_leaves(_numbers(fields.get("split_feature", ""), np.int64)),
            threshold=with_leaves(_numbers(fields.get("threshold", ""), np.float64).astype(np.float32)),
            left=node_of(_numbers(fields.get("left_child", ""), np.int64)),
            right=node_of(_numbers(fields.get("right_child", ""), np.int64)),
            nan_left=with_leaves(((kinds & _TRACKS_NAN > 0) & (kinds & _NAN_LEFT > 0)).astype(np.int64)),
            leaves=leaves,
        )

    def __len__(self) -> int:
        return self.cuts + len(self.leaves)


def _numbers(field: str, kind: type) -> npt.NDArray[Any]:
    return np.array(field.split(), kind)


def _attributes(trees: list[_Tree], columns: int) -> Iterator[AttributeProto]:
    """``columns``: of the answer; the trees add to one after the other in turns."""

    def ints(name: str, values: Callable[[_Tree], Ints]) -> AttributeProto:
        found = np.concatenate([values(tree) for tree in trees])
        return AttributeProto(name=name, type=AttributeProto.INTS, ints=found.tolist())

    def floats(name: str, values: Callable[[_Tree], Floats]) -> AttributeProto:
        found = np.concatenate([values(tree) for tree in trees])
        return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=found.tolist())

    modes = [mode for tree in trees for mode in [b"BRANCH_LEQ"] * tree.cuts + [b"LEAF"] * len(tree.leaves)]
    yield helper.make_attribute("n_targets", columns)
    yield helper.make_attribute("post_transform", "NONE")
    yield AttributeProto(name="nodes_modes", type=AttributeProto.STRINGS, strings=modes)
    yield ints("nodes_treeids", lambda tree: np.full(len(tree), tree.number))
    yield ints("nodes_nodeids", lambda tree: np.arange(len(tree)))
    yield ints("nodes_featureids", lambda tree: tree.feature)
    yield floats("nodes_values", lambda tree: tree.threshold)
    yield ints("nodes_truenodeids", lambda tree: tree.left)
    yield ints("nodes_falsenodeids", lambda tree: tree.right)
    yield ints("nodes_missing_value_tracks_true", lambda tree: tree.nan_left)
    yield ints("target_treeids", lambda tree: np.full(len(tree.leaves), tree.number))
    yield ints("target_nodeids", lambda tree: np.arange(tree.cuts, len(tree)))
    yield ints("target_ids", lambda tree: np.full(len(tree.leaves), tree.number % columns))
    yield floats("target_weights", lambda tree: tree.leaves)
