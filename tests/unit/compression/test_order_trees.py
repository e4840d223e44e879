"""Trees in preorder predict the same, and their structure is stored in two flags for each split."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from pipeline.codec.trees import TreeSpan
from pipeline.codec.unpack import unpack
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.storage import find_spans, pack_model
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.tree_ensemble import Trees
from pipeline.training.export.forest_trees import forest_trees

_RANDOM = np.random.default_rng(0)
_ROWS = _RANDOM.normal(size=(300, 5)).astype(np.float32)
_CLASSES = (_ROWS[:, 0] * _ROWS[:, 1] > 0).astype(int) + (_ROWS[:, 2] > 1)


def _forest(*, classes: int, depth: int = 6) -> Trees:
    """Fit a forest. With three classes, all leaves of value 0 are one leaf that many splits share."""
    kind = ExtraTreesClassifier if classes else ExtraTreesRegressor
    forest = kind(n_estimators=8, max_depth=depth, random_state=0).fit(_ROWS, _CLASSES if classes else _ROWS[:, 0])
    return forest_trees(forest.estimators_, classes=classes)


def _file(trees: Trees, targets: int) -> bytes:
    graph = helper.make_graph(
        [trees.node("x", "y", targets=targets)],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, targets])],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)]
    return bytes(helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString())


def _shuffled(trees: Trees) -> Trees:
    """Return the same trees with splits and leaves in another order."""
    random = np.random.default_rng(1)
    splits, leaves = random.permutation(len(trees.feature)), random.permutation(len(trees.leaf_value))
    split_number, leaf_number = np.argsort(splits), np.argsort(leaves)

    def renumbered(side: np.ndarray) -> np.ndarray:
        return np.where(side < 0, -1 - leaf_number[np.where(side < 0, -1 - side, 0)], split_number[np.maximum(side, 0)])

    return Trees(
        roots=renumbered(trees.roots),
        feature=trees.feature[splits],
        threshold=trees.threshold[splits],
        left=renumbered(trees.left)[splits],
        right=renumbered(trees.right)[splits],
        nan_left=trees.nan_left[splits],
        leaf_target=trees.leaf_target[leaves],
        leaf_value=trees.leaf_value[leaves],
    )


def _predictions(file: bytes) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (predictions,) = session.run(None, {"x": _ROWS})
    return np.asarray(predictions)


@pytest.mark.parametrize("classes", [0, 3], ids=["regression", "classification"])
@pytest.mark.parametrize("depth", [1, 2, 6])
def test_ordered_trees_predict_exactly_the_same_and_are_packed_as_tree_spans(classes: int, depth: int) -> None:
    trees, targets = _forest(classes=classes, depth=depth), classes or 1
    shuffled = _file(_shuffled(trees), targets)
    ordered = OrderTrees()(shuffled)
    assert ordered.model != shuffled
    np.testing.assert_array_equal(_predictions(ordered.model), _predictions(_file(trees, targets)))
    assert [type(span) for span in find_spans(ordered.model)] == [TreeSpan]
    assert unpack(pack_model(ordered.model)) == ordered.model


def test_ordering_trees_in_preorder_changes_nothing() -> None:
    ordered = OrderTrees()(_file(_forest(classes=3), 3)).model
    assert OrderTrees()(ordered).model == ordered


def test_a_tree_of_a_single_leaf_can_be_ordered_and_packed() -> None:
    none = np.array([], np.int64)
    single_leaf = Trees(
        roots=np.array([-1]), feature=none, threshold=none.astype(np.float32), left=none, right=none, nan_left=none,
        leaf_target=np.array([0]), leaf_value=np.array([2.5], np.float32),
    )  # fmt: skip
    ordered = OrderTrees()(_file(Trees.join([_forest(classes=0), single_leaf, _forest(classes=0)]), 1)).model
    assert [type(span) for span in find_spans(ordered)] == [TreeSpan]
    assert unpack(pack_model(ordered)) == ordered


def test_ordered_trees_keep_the_branch_of_missing_values() -> None:
    trees = _forest(classes=0)
    nan_left = (np.arange(len(trees.feature)) % 3 == 0).astype(np.int64)
    file = _file(Trees(**{name: getattr(trees, name) for name in Trees.__slots__} | {"nan_left": nan_left}), 1)
    ordered = OrderTrees()(file).model
    np.testing.assert_array_equal(_predictions(ordered), _predictions(file))
    assert unpack(pack_model(ordered)) == ordered


def test_trees_in_another_order_are_packed_without_tree_spans_and_are_larger() -> None:
    file = _file(_shuffled(_forest(classes=0)), 1)
    assert not any(isinstance(span, TreeSpan) for span in find_spans(file))
    assert unpack(pack_model(file)) == file
    assert 1.2 * len(pack_model(OrderTrees()(file).model)) < len(pack_model(file))


def test_a_model_without_trees_and_nodes_that_are_not_trees_are_refused() -> None:
    with pytest.raises(NotApplicableError, match="no trees"):
        OrderTrees()(helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString())
    graph = onnx.load_from_string(_file(_forest(classes=0), 1))
    (roots,) = [attribute for attribute in graph.graph.node[0].attribute if attribute.name == "tree_roots"]
    roots.ints[0] = roots.ints[1]
    with pytest.raises(NotApplicableError, match="no trees"):
        OrderTrees()(graph.SerializeToString())
