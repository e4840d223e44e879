"""The served graph applies temperature and threshold like the evaluation with numpy."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.signature import Signature
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.predictions import Predictions
from pipeline.graphs.decision import add_decision
from pipeline.graphs.writer import NamedGraph


def _run(signature: Signature, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = ["batch", len(signature.classes)]
    graph = NamedGraph(prefix="_/")
    add_decision(graph, signature, "answer", "probabilities", "label")
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]),
    ]
    graph_input = helper.make_tensor_value_info("answer", TensorProto.FLOAT, shape)
    model = graph.model("g", [graph_input], outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    served, label = session.run(None, {"answer": probabilities})
    return served, np.array(signature.classes, object)[label]


def _probabilities(classes: int) -> np.ndarray:
    drawn = np.random.default_rng(0).dirichlet(np.full(classes, 0.2), 400).astype(np.float32)
    drawn[0] = np.eye(classes)[0]  # forests predict exactly 0 and 1
    drawn[1] = np.r_[np.full(classes - 1, 1e-30), 1.0]
    return drawn


@pytest.mark.parametrize("temperature", [1.0, 0.2, 0.7, 3.0, 20.0])
@pytest.mark.parametrize(
    ("classes", "threshold", "positive"), [(2, None, ""), (2, 0.07, "b"), (2, 0.3, "a"), (5, None, "")]
)
def test_the_graph_gives_the_same_probabilities_and_labels_as_numpy(
    temperature: float, classes: int, threshold: float | None, positive: str
) -> None:
    signature = Signature(
        task="classification",
        target="t",
        columns=(),
        classes=tuple("abcde"[:classes]),
        positive=positive,
        threshold=threshold,
        temperature=temperature,
    )
    probabilities = _probabilities(classes)
    served, labels = _run(signature, probabilities)
    wanted = Predictions.of(signature, calibrate(probabilities, temperature))
    assert np.abs(served - wanted.probabilities).max() < 2e-6
    assert np.isfinite(served).all()
    assert (labels == wanted.labels).mean() > 0.995  # equal probabilities may give either label
    if threshold is not None:
        of_positive = served[:, signature.positive_index]
        assert (labels == positive).tolist() == (of_positive >= np.float32(threshold)).tolist()


def test_a_model_without_temperature_and_threshold_keeps_its_probabilities() -> None:
    signature = Signature(task="classification", target="t", columns=(), classes=("a", "b", "c"))
    probabilities = _probabilities(3)
    served, labels = _run(signature, probabilities)
    assert (served == probabilities).all()
    assert labels.tolist() == ["abc"[index] for index in probabilities.argmax(axis=1)]
