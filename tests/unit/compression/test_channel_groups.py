"""Channels that are pruned together, and networks without them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.compression.channel_groups import find_channel_groups, keep_channels
from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.fine_tuning.torch_graph import TorchGraph
from pipeline.compression.passes.fine_tune import FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.pruning.prune_channels import PruneChannels
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.compose import make_model
from tests.helpers.trained_networks import trained, treeless_body

pytestmark = pytest.mark.usefixtures("one_thread")

_RANDOM = np.random.default_rng(0)


def body_of(
    nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], shape: list[str | int]
) -> onnx.ModelProto:
    tensors = [
        numpy_helper.from_array(_RANDOM.normal(size=size, scale=0.3).astype(np.float32), name)
        for name, size in weights.items()
    ]
    tensors.append(numpy_helper.from_array(np.array([-1, 16 * 16], np.int64), "flat"))
    graph_input = helper.make_tensor_value_info("num", TensorProto.FLOAT, shape)
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 3])
    return make_model("body", nodes, [graph_input], [output], tensors)


def residual_body() -> onnx.ModelProto:
    """A residual block and a layer over all positions: two groups of 16 channels."""
    nodes = [
        helper.make_node("Conv", ["num", "w0", "b0"], ["c0"], name="c0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], name="c1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="c2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r0"], ["sum"]),
        helper.make_node("Reshape", ["sum", "flat"], ["features"]),
        helper.make_node("Gemm", ["features", "w3", "b3"], ["logits"], name="last"),
        helper.make_node("Softmax", ["logits"], ["answer"]),
    ]
    weights = {
        "w0": (16, 1, 3, 3), "b0": (16,), "w1": (16, 16, 3, 3), "w2": (16, 16, 3, 3), "w3": (256, 3), "b3": (3,),
    }  # fmt: skip
    return body_of(nodes, weights, ["batch", 1, 4, 4])


def normalized_body() -> onnx.ModelProto:
    """A layer, its norm, and the layer that reads it."""
    nodes = [
        helper.make_node("MatMul", ["num", "w0"], ["z0"], name="first"),
        helper.make_node("Add", ["z0", "b0"], ["a0"]),
        helper.make_node("LayerNormalization", ["a0", "scale", "shift"], ["n0"], axis=-1),
        helper.make_node("Relu", ["n0"], ["x1"]),
        helper.make_node("MatMul", ["x1", "w1"], ["z1"], name="last"),
        helper.make_node("Softmax", ["z1"], ["answer"]),
    ]
    weights = {"w0": (8, 32), "b0": (32,), "scale": (32,), "shift": (32,), "w1": (32, 3)}
    return body_of(nodes, weights, ["batch", 8])


def run_model(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"num": rows})[0]


def test_an_addition_groups_the_channels_of_two_layers() -> None:
    groups = find_channel_groups(residual_body())
    assert [group.size for group in groups] == [16, 16]
    tied, inner = sorted(groups, key=lambda group: -len(group.outputs))
    assert {axis.tensor for axis in tied.outputs} == {"w0", "b0", "w2"}
    assert {(axis.tensor, axis.block) for axis in tied.inputs} == {("w1", 1), ("w3", 16)}
    assert tied.shapes == ["flat"]
    assert {axis.tensor for axis in inner.axes} == {"w1", "w2"}


def test_norms_and_biases_are_in_the_channel_group_of_their_layer() -> None:
    (group,) = find_channel_groups(normalized_body())
    assert {axis.tensor for axis in group.outputs} == {"w0", "b0", "scale", "shift"}
    assert [axis.tensor for axis in group.inputs] == ["w1"]


@pytest.mark.parametrize("exactly", [False, True])  # allowzero, as torch exports a Reshape
def test_removing_channels_of_zeros_does_not_change_the_output(exactly: bool) -> None:
    model = residual_body()
    if exactly:
        (reshape,) = (node for node in model.graph.node if node.op_type == "Reshape")
        reshape.attribute.append(helper.make_attribute("allowzero", 1))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name in ("w0", "b0", "w2"):
            values[8:] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    rows = _RANDOM.normal(size=(5, 1, 4, 4)).astype(np.float32)
    wanted = run_model(model, rows)
    tied = max(find_channel_groups(model), key=lambda group: len(group.outputs))
    keep_channels(model, tied, np.arange(8))
    assert {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}["w3"] == [128, 3]
    np.testing.assert_allclose(run_model(model, rows), wanted, atol=1e-6)


def test_a_constant_that_two_nodes_read_is_pruned_for_both() -> None:
    model = normalized_body()
    nodes = list(model.graph.node)
    model.graph.node.insert(3, helper.make_node("Mul", ["n0", "scale"], ["m0"]))
    nodes[3].input[0] = "m0"
    model.graph.node[4].input[0] = "m0"
    (group,) = find_channel_groups(model)
    assert len([axis for axis in group.outputs if axis.tensor.startswith("scale")]) == 2
    keep_channels(model, group, np.arange(16))
    assert run_model(model, np.zeros((2, 8), np.float32)).shape == (2, 3)


def test_channels_that_an_unknown_operator_reads_are_not_pruned() -> None:
    model = normalized_body()
    model.graph.node[3].op_type = "Softmax"
    assert find_channel_groups(model) == []


@pytest.mark.parametrize("build", [residual_body, normalized_body])
def test_torch_computes_convolutions_and_norms_like_onnxruntime(build: object) -> None:
    model = build()
    shape = [size.dim_value or 6 for size in model.graph.input[0].type.tensor_type.shape.dim]
    rows = _RANDOM.normal(size=shape).astype(np.float32)
    computed = TorchGraph(model.SerializeToString())({"num": rows}).detach().numpy()
    np.testing.assert_allclose(computed, run_model(model, rows), atol=1e-5)


def test_half_of_the_neurons_are_pruned_and_the_network_still_agrees() -> None:
    network = trained("breast_cancer")
    rows = TrainingRows.encode(network.validation, network.dataset, network.dataset.signature)
    context = PassContext(read_rows=lambda: rows, teacher=network.body, budget=Budget.start(60.0))
    small = PruneChannels(context, ratio=0.5, config=FineTuningConfig(epochs=5, batch_size=16))(network.body).model
    sizes = {tensor.name: list(tensor.dims) for tensor in onnx.load_from_string(small).graph.initializer}
    assert (sizes["w0"], sizes["w2"], sizes["w4"]) == ([30, 32], [32, 16], [16, 2])
    agreed = predict(small, rows).argmax(axis=1) == predict(network.body, rows).argmax(axis=1)
    assert agreed.mean() > 0.9


def test_channel_pruning_is_not_applicable_without_channels() -> None:
    body = treeless_body(3).SerializeToString()
    rows = TrainingRows(inputs={"num": np.zeros((50, 3), np.float32)}, target=np.zeros(50, np.int64), classes=3)
    with pytest.raises(NotApplicableError, match="no channels"):
        PruneChannels(PassContext(read_rows=lambda: rows, teacher=body, budget=Budget.start(9.0)), ratio=0.5)(body)
