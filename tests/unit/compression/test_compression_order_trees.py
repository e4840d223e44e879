"""Trees in preorder are the same trees, and their structure is stored in one flag for each node."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from skl2onnx import to_onnx
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from pipeline.codec.trees import TreeSpan
from pipeline.codec.unpack import unpack
from pipeline.compression.order_trees import OrderTrees
from pipeline.compression.storage import find_spans, pack_model
from pipeline.contracts.errors import NotApplicableError

_RANDOM = np.random.default_rng(0)
_ROWS = _RANDOM.normal(size=(300, 5)).astype(np.float32)
_CLASSES = (_ROWS[:, 0] * _ROWS[:, 1] > 0).astype(int) + (_ROWS[:, 2] > 1)


def _forest(*, classes: bool, depth: int = 6) -> bytes:
    kind = ExtraTreesClassifier if classes else ExtraTreesRegressor
    forest = kind(n_estimators=8, max_depth=depth, random_state=0).fit(_ROWS, _CLASSES if classes else _ROWS[:, 0])
    options = {"zipmap": False} if classes else None
    return bytes(
        to_onnx(forest, _ROWS[:1], options=options, target_opset={"": 20, "ai.onnx.ml": 3}).SerializeToString()
    )


def _shuffled(file: bytes) -> bytes:
    """The same trees, their nodes in another order and with other numbers."""
    graph = onnx.load_from_string(file)
    (node,) = [node for node in graph.graph.node if node.op_type.startswith("TreeEnsemble")]
    lists = {attribute.name: attribute for attribute in node.attribute}
    count, sizes = len(lists["nodes_treeids"].ints), Counter(lists["nodes_treeids"].ints)
    order = np.random.default_rng(1).permutation(count)
    renumbered = {"nodes_nodeids", "nodes_truenodeids", "nodes_falsenodeids", "target_nodeids", "class_nodeids"}
    modes = [lists["nodes_modes"].strings[index] for index in order]
    trees_of = {name: list(attribute.ints) for name, attribute in lists.items() if name.endswith("treeids")}
    for name, attribute in lists.items():
        field = "ints" if attribute.ints else "floats" if attribute.floats else "strings"
        values = list(getattr(attribute, field))
        if name in renumbered:  # the root stays number 0
            trees = trees_of[f"{name.split('_')[0]}_treeids"]
            values = [sizes[tree] - value if value else 0 for tree, value in zip(trees, values, strict=True)]
        if name.startswith("nodes_"):
            values = [values[index] for index in order]
        if name in {"nodes_truenodeids", "nodes_falsenodeids"}:
            values = [0 if mode == b"LEAF" else value for value, mode in zip(values, modes, strict=True)]
        if name in renumbered or name.startswith("nodes_"):
            del getattr(attribute, field)[:]
            getattr(attribute, field).extend(values)
    return bytes(graph.SerializeToString())


def _predictions(file: bytes) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: _ROWS}))


@pytest.mark.parametrize("classes", [True, False], ids=["classification", "regression"])
@pytest.mark.parametrize("depth", [1, 6])
def test_ordered_trees_predict_the_same_to_the_last_bit(classes: bool, depth: int) -> None:
    file = _forest(classes=classes, depth=depth)
    ordered = OrderTrees()(_shuffled(file))
    assert ordered.modified
    for before, after in zip(_predictions(file), _predictions(ordered.model), strict=True):
        np.testing.assert_array_equal(before, after)


def test_trees_in_preorder_stay_as_they_are() -> None:
    ordered = OrderTrees()(_forest(classes=True)).model
    assert not OrderTrees()(ordered).modified


@pytest.mark.parametrize("classes", [True, False], ids=["classification", "regression"])
def test_ordered_trees_are_stored_without_their_structure(classes: bool) -> None:
    ordered = OrderTrees()(_shuffled(_forest(classes=classes))).model
    assert [type(span) for span in find_spans(ordered)] == [TreeSpan]
    assert unpack(pack_model(ordered)) == ordered


def test_trees_in_another_order_are_packed_as_they_are_and_take_more() -> None:
    file = _shuffled(_forest(classes=False))
    assert not any(isinstance(span, TreeSpan) for span in find_spans(file))
    assert unpack(pack_model(file)) == file
    assert 1.5 * len(pack_model(OrderTrees()(file).model)) < len(pack_model(file))


def test_a_model_without_trees_and_nodes_that_are_no_trees_are_refused() -> None:
    with pytest.raises(NotApplicableError, match="no trees"):
        OrderTrees()(helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString())
    graph = onnx.load_from_string(_forest(classes=True))
    (node,) = [node for node in graph.graph.node if node.op_type.startswith("TreeEnsemble")]
    (children,) = [attribute for attribute in node.attribute if attribute.name == "nodes_truenodeids"]
    children.ints[0] = 999
    with pytest.raises(NotApplicableError, match="does not have"):
        OrderTrees()(graph.SerializeToString())
