"""Passes that change the values of weights: codebooks and rounding to float16."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.codec.unpack import unpack
from pipeline.compression.passes.weights.round_weights import RoundWeights
from pipeline.compression.passes.weights.share_weights import ShareWeights
from pipeline.compression.storage import pack_model
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.codebooks import share_weights

_RANDOM = np.random.default_rng(0)
_WEIGHTS = _RANDOM.normal(scale=0.1, size=(64, 32)).astype(np.float32)
_EMBEDDINGS = _RANDOM.normal(size=(50, 8)).astype(np.float32)
_BIAS = _RANDOM.normal(size=32).astype(np.float32)


def _network(weights: np.ndarray = _WEIGHTS, *, in_node: bool = False) -> bytes:
    """Make a network of a dense layer with a bias and an embedding."""
    tensors = {"weights": weights, "bias": _BIAS, "embeddings": _EMBEDDINGS}
    nodes = [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["y"]),
        helper.make_node("Gather", ["embeddings", "ids"], ["z"]),
    ]
    if in_node:
        value = numpy_helper.from_array(tensors.pop("weights"))
        nodes.insert(0, helper.make_node("Constant", [], ["weights"], value=value))
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, [None]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 32]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 8]),
        ],
        [numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    return bytes(helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString())


def _tensors(file: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(file).graph
    constants = {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if not node.input}
    return constants | {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


@pytest.mark.parametrize("in_node", [False, True], ids=["initializer", "constant"])
def test_weights_share_the_values_of_a_codebook_and_small_tensors_stay_exact(in_node: bool) -> None:
    shared = _tensors(ShareWeights(4)(_network(in_node=in_node)).model)
    assert len(np.unique(shared["weights"])) <= 16
    assert len(np.unique(shared["embeddings"])) <= 16
    np.testing.assert_array_equal(shared["bias"], _BIAS)
    error = np.sqrt(np.mean((shared["weights"] - _WEIGHTS) ** 2)) / _WEIGHTS.std()
    assert error < 0.12  # an optimal quantizer of a normal distribution with 16 levels errs by 0.098 (Max 1960)


def test_a_network_with_a_codebook_runs_and_is_stored_in_a_quarter_of_the_bytes() -> None:
    file = ShareWeights(4)(_network()).model
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    y, _ = session.run(None, {"x": np.ones((2, 64), np.float32), "ids": np.array([0])})
    assert np.isfinite(y).all()
    assert len(_WEIGHTS.tobytes()) / len(pack_model(file)) > 4
    assert unpack(pack_model(file)) == file


def test_pruned_weights_stay_zero_in_a_codebook() -> None:
    pruned = np.where(_RANDOM.random((100, 100)) < 0.1, _RANDOM.normal(size=(100, 100)), 0).astype(np.float32)
    shared = share_weights(pruned, 8)
    np.testing.assert_array_equal(shared == 0, pruned == 0)
    assert len(np.unique(shared)) == 8


def test_weights_with_fewer_values_than_the_codebook_are_unchanged() -> None:
    few = _RANDOM.choice(np.array([-1, 0, 2], np.float32), (20, 20))
    np.testing.assert_array_equal(share_weights(few, 16), few)


def test_more_bits_give_a_smaller_quantization_error() -> None:
    errors = [float(np.abs(share_weights(_WEIGHTS, 2**bits) - _WEIGHTS).mean()) for bits in (2, 3, 4, 5, 6)]
    assert errors == sorted(errors, reverse=True)


def test_rounded_weights_are_float16_values_and_take_about_half_the_bytes() -> None:
    weights = _RANDOM.normal(size=(64, 512)).astype(np.float32)
    file = _network(weights[:, :32])
    rounded = _tensors(RoundWeights()(file).model)
    np.testing.assert_array_equal(rounded["weights"], weights[:, :32].astype(np.float16).astype(np.float32))
    assert len(pack_model(RoundWeights()(file).model)) < 0.6 * len(file)


def test_models_without_weights_and_weights_beyond_float16_are_refused() -> None:
    empty = helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString()
    for weight_pass in (ShareWeights(4), RoundWeights()):
        with pytest.raises(NotApplicableError, match="no float weights"):
            weight_pass(empty)
    with pytest.raises(NotApplicableError, match=r"1e\+06 is beyond the range of fp16"):
        RoundWeights()(_network(np.full((64, 32), 1e6, np.float32)))
