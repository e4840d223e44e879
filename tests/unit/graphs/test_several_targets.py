"""Bodies of several targets in one graph, and the labels that the graph predicts."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.signature import Signature
from pipeline.evaluation.several_targets import join_labels
from pipeline.graphs.compose import make_model
from pipeline.graphs.several_targets import after_several_targets, join_bodies


def signature_of(count: int, *, task: str = "classification") -> Signature:
    names = tuple(f"label {number}" for number in range(count))
    return Signature(
        task=task,  # type: ignore[arg-type]
        target="t",
        targets=names,
        classes=names if task == "classification" else (),
        separator=", ",
        columns=(),
    )


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 17, 50])
def test_the_graph_joins_labels_like_the_evaluation(count: int) -> None:
    signature = signature_of(count)
    probabilities = np.random.default_rng(count).random((64, count)).astype(np.float32)
    probabilities[0], probabilities[1], probabilities[2] = 0, 1, 0.5
    labels, result = run(after_several_targets(signature, "_/", "answer"), answer=probabilities)
    assert labels.tolist() == join_labels(signature, probabilities).tolist()
    assert labels[0] == ""
    assert np.array_equal(result, probabilities)


def body(weight: float, *, classes: bool) -> onnx.ModelProto:
    """Make a body that multiplies ``num`` [batch, 1] by a weight w; with classes: [1 - w * num, w * num]."""
    inputs = [helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", 1])]
    nodes = [helper.make_node("Mul", ["num", "weight"], ["second"])]
    output, width = "second", 1
    if classes:
        nodes += [
            helper.make_node("Sub", ["one", "second"], ["first"]),
            helper.make_node("Concat", ["first", "second"], ["both"], axis=1),
        ]
        output, width = "both", 2
    constants = [
        numpy_helper.from_array(np.array(value, np.float32), name) for name, value in (("weight", weight), ("one", 1))
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])]
    return make_model("body", nodes, inputs, outputs, constants)


@pytest.mark.parametrize("classes", [False, True])
def test_joined_bodies_read_the_same_rows_and_predict_one_column_each(classes: bool) -> None:
    signature = signature_of(3, task="classification" if classes else "regression")
    joined = join_bodies([body(weight, classes=classes) for weight in (0.1, 0.2, 0.3)], signature)
    (predictions,) = run(joined, num=np.array([[1], [2]], np.float32))
    assert np.allclose(predictions, [[0.1, 0.2, 0.3], [0.2, 0.4, 0.6]])
