"""Sessions of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.evaluation.sessions import session_options
from pipeline.graphs.compose import make_model

WIDTH = 8


def normalized_sum() -> bytes:
    """Two inputs [rows, positions, 8] -> their normalized sum."""
    constants = [numpy_helper.from_array(np.ones(WIDTH, np.float32), name) for name in ("scale", "bias")]
    nodes = [
        helper.make_node("Add", ["left", "right"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "scale", "bias"], ["answer"]),
    ]
    shape = ["rows", "positions", WIDTH]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("left", "right")]
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, shape)
    return bytes(make_model("body", nodes, inputs, [output], constants).SerializeToString())


@pytest.mark.parametrize(
    ("has_gpu", "operators"), [(False, ["Add", "LayerNormalization"]), (True, ["SkipLayerNormalization"])]
)
def test_a_sum_and_its_normalization_are_fused_only_on_a_gpu(
    tmp_path: Path, has_gpu: bool, operators: list[str]
) -> None:
    options = session_options(has_gpu=has_gpu)
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(normalized_sum(), options, providers=["CPUExecutionProvider"])
    assert [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node] == operators
