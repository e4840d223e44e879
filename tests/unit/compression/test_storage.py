"""The byte spans of the weights of a graph, and the size of packed models."""

from __future__ import annotations

import lzma

import lightgbm
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.codec.unpack import unpack
from pipeline.compression.passes.trees.order_trees import OrderTrees
from pipeline.compression.storage import find_spans, pack_model
from pipeline.graphs.lightgbm_trees import lightgbm_trees


def _dense(weights: np.ndarray, *, in_node: bool = False) -> bytes:
    tensor = numpy_helper.from_array(weights, "weights")
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["y"])]
    if in_node:
        nodes.insert(0, helper.make_node("Constant", [], ["weights"], value=tensor))
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, weights.shape[1]])],
        [] if in_node else [tensor],
    )
    return bytes(helper.make_model(graph).SerializeToString())


def _trees() -> bytes:
    random = np.random.default_rng(0)
    rows = random.normal(size=(800, 6))
    dataset = lightgbm.Dataset(rows, rows[:, 0] * rows[:, 1] + rows[:, 2])
    booster = lightgbm.train({"objective": "regression", "verbose": -1, "num_threads": 1}, dataset, 60)
    node = lightgbm_trees(booster.model_to_string(), targets=1).node("x", "y", targets=1)
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    return OrderTrees()(helper.make_model(graph).SerializeToString()).model


@pytest.mark.parametrize("in_node", [False, True], ids=["initializer", "constant"])
def test_the_span_of_a_weight_matrix_is_found(in_node: bool) -> None:
    weights = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    file = _dense(weights, in_node=in_node)
    (span,) = find_spans(file)
    assert file[span.offset : span.offset + span.size] == weights.tobytes()


def test_pruned_weights_of_few_values_are_stored_in_a_fortieth() -> None:
    random = np.random.default_rng(0)
    weights = np.where(random.random((300, 300)) < 0.06, random.choice([-0.3, -0.1, 0.1, 0.3], (300, 300)), 0.0)
    file = _dense(weights.astype(np.float32))
    stored = pack_model(file)
    assert unpack(stored) == file
    assert len(file) / len(stored) > 40


def test_packed_trees_are_smaller_than_with_lzma_alone() -> None:
    file = _trees()
    stored = pack_model(file)
    assert unpack(stored) == file
    assert 1.3 * len(stored) < len(lzma.compress(file))


def test_a_tiny_graph_that_packing_would_enlarge_is_not_packed() -> None:
    file = onnx.helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString()
    assert pack_model(file) == file
