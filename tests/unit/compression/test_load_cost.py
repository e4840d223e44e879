"""The time and the memory that loading a stored file takes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.compression.measuring.load_cost import LoadCost, LoadProbe
from pipeline.compression.storage import pack_model


def model_of(megabytes: int) -> bytes:
    """Make a matrix product with a matrix of that size."""
    matrix = np.random.default_rng(0).normal(size=(512, megabytes << 9)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 512])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, megabytes << 9])],
        [numpy_helper.from_array(matrix, "w")],
    )
    content: bytes = onnx.ModelProto(
        graph=graph, ir_version=10, opset_import=[helper.make_opsetid("", 20)]
    ).SerializeToString()
    return content


def test_a_load_takes_the_memory_of_its_weights_whatever_was_loaded_before() -> None:
    large, tiny = model_of(16), pack_model(model_of(1))
    with LoadProbe() as probe:
        costs = [probe.measure(file) for file in (large, tiny, large)]
    memory = [cost.memory_bytes or 0 for cost in costs]
    assert all(cost.load_ms is not None and cost.load_ms > 0 for cost in costs)
    assert memory[0] >= 16 << 20
    assert 1 << 20 <= memory[1] < memory[0]
    assert abs(memory[2] - memory[0]) < 2 << 20


def test_a_file_that_cannot_be_loaded_has_no_cost_and_the_probe_continues() -> None:
    with LoadProbe() as probe:
        assert probe.measure(b"no model") == LoadCost()
        assert probe.measure(model_of(1)).load_ms is not None
