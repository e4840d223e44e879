"""The exported file must predict like the trained model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from pipeline.compression.verify import VerifyEdgeRows, VerifyExport, largest_difference
from pipeline.contracts.errors import ExportMismatchError
from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.decision.temperature import calibrate
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.scoring import feeds
from tests.helpers.trained_networks import Trained, trained, with_one_wrong_weight


def verifier(network: Trained, tolerance: float = 1e-4) -> VerifyExport:
    signature = network.dataset.signature
    key = "probabilities" if signature.task == "classification" else "value"
    scale = 1.0 if signature.task == "classification" else float(network.validation["target"].std() or 0)
    rows = feeds(network.validation, signature)
    return VerifyExport(signature, rows, {key: network.predicted}, tolerance=tolerance, scale=scale)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_a_correct_export_passes_the_verification(name: str) -> None:
    network = trained(name)
    verifier(network)(network.model)


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_one_wrong_weight_is_a_mismatch(name: str) -> None:
    network = trained(name)
    with pytest.raises(ExportMismatchError, match=r"differ from the trained model's by .* at most 0\.0001 is expected"):
        verifier(network)(with_one_wrong_weight(network.model))


def edge_verifier(network: Trained, predicted: np.ndarray) -> VerifyEdgeRows:
    """Make a verifier that uses the validation rows as edge rows."""
    signature = network.dataset.signature
    key = "probabilities" if signature.task == "classification" else "value"
    return VerifyEdgeRows(signature, feeds(network.validation, signature), {key: predicted}, tolerance=1e-4, scale=1.0)


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_an_edge_row_with_another_prediction_is_a_mismatch(name: str) -> None:
    network = trained(name)
    edge_verifier(network, network.predicted)(network.model)
    wrong = network.predicted.copy()
    wrong[3] = wrong[3] * 1.01 if name == "diabetes" else 1 / 3
    with pytest.raises(ExportMismatchError, match=r"edge rows \(missing, unknown and extreme values\)"):
        edge_verifier(network, wrong)(network.model)


def test_edge_rows_without_a_finite_prediction_are_dropped() -> None:
    network = trained("diabetes")
    predicted = network.predicted.copy()
    predicted[0] = np.inf
    edge_verifier(network, predicted)(network.model)
    edge_verifier(network, np.full_like(predicted, np.nan))(network.model)


def test_a_nan_prediction_is_a_mismatch() -> None:
    network = trained("diabetes")
    graph = onnx.load_from_string(network.model)
    for tensor in graph.graph.initializer:
        if tensor.name.endswith("mean"):
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[0] = np.nan
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ExportMismatchError, match="by nan"):
        verifier(network)(graph.SerializeToString())


def test_a_graph_that_depends_on_the_batch_size_is_a_mismatch() -> None:
    network = trained("wine")
    graph = onnx.load_from_string(network.model)
    rows = network.validation.height
    scaled = "scaled_by_the_batch"
    (first,) = [node for node in graph.graph.node if node.op_type in ("Gemm", "MatMul")][:1]
    nodes = [
        onnx.helper.make_node("Shape", [first.input[0]], ["batch_shape"], start=0, end=1),
        onnx.helper.make_node("Cast", ["batch_shape"], ["batch_size"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Div", ["batch_size", "rows"], ["ratio"]),
        onnx.helper.make_node("Mul", [first.input[0], "ratio"], [scaled]),
    ]
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([rows], np.float32), "rows"))
    index = list(graph.graph.node).index(first)
    first.input[0] = scaled
    original_nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*original_nodes[:index], *nodes, *original_nodes[index:]])
    with pytest.raises(ExportMismatchError, match="row 0 alone"):
        verifier(network)(graph.SerializeToString())


def test_another_models_columns_are_a_mismatch() -> None:
    with pytest.raises(ExportMismatchError, match="does not take the columns"):
        verifier(trained("wine"))(trained("diabetes").model)


SIGNATURE = Signature(
    task="classification", target="y", columns=(Column(name="x", kind="numeric"),), classes=("a", "b")
)


def difference(labels: list[str], probabilities: list[list[float]], wanted: list[list[float]]) -> float:
    predictions = Predictions(
        labels=np.array(labels, object), probabilities=np.array(probabilities), values=np.empty(0, np.float32)
    )
    return largest_difference(predictions, {"probabilities": np.array(wanted)}, SIGNATURE)


def test_a_wrong_label_is_a_difference_even_if_the_probabilities_are_right() -> None:
    assert difference(["b"], [[0.9, 0.1]], [[0.9, 0.1]]) == pytest.approx(0.8)


def test_a_tie_may_be_broken_either_way() -> None:
    assert difference(["b"], [[0.5, 0.5]], [[0.5, 0.5]]) == 0
    assert difference(["a"], [[0.49999, 0.50001]], [[0.5, 0.5]]) == pytest.approx(1e-5)


@pytest.mark.parametrize("threshold", [None, 0.03])
def test_float32_rounding_of_a_zero_probability_is_not_a_mismatch_under_a_temperature(threshold: float | None) -> None:
    """A forest predicts 0 for a memorized row, the float32 sums of the file 6e-7, whose fourth root is 0.03."""
    signature = Signature(
        task="classification", target="y", columns=(Column(name="x", kind="numeric"),), classes=("a", "b"),
        positive="b" if threshold else "", threshold=threshold, temperature=4.0,
    )  # fmt: skip
    reference = {"probabilities": np.array([[1.0, 0.0]])}
    served = Predictions.of(signature, calibrate(np.array([[1 - 6e-7, 6e-7]]), 4.0))
    assert served.probabilities[0, 1] > 0.02
    assert largest_difference(served, reference, signature) < 1e-5
    mismatch = Predictions.of(signature, calibrate(np.array([[0.9, 0.1]]), 4.0))
    assert largest_difference(mismatch, reference, signature) > 0.05
    plain = Predictions.of(signature, np.array([[0.7, 0.3]]))
    assert largest_difference(plain, {"probabilities": np.array([[0.7, 0.3]])}, signature) > 0.1, "another temperature"
