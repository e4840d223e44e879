from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.signature import Column, Signature
from pipeline.evaluation.scoring import OnnxModel, feeds, one_row, truth

CLASSIFICATION = Signature(
    task="classification",
    target="t",
    columns=(
        Column(name="age", kind="numeric"),
        Column(name="works", kind="boolean"),
        Column(name="city", kind="categorical"),
    ),
    classes=("no", "yes"),
)
ROWS = pl.DataFrame(
    {"age": [1.5, None], "works": [None, 1.0], "city": [None, "Oslo"], "t": ["yes", "no"]},
    schema_overrides={"age": pl.Float32, "works": pl.Float32},
)


def _model(outputs: dict[str, tuple[str, int]]) -> bytes:
    """Make a model whose outputs are copies of its inputs."""
    kinds = {"number": TensorProto.FLOAT, "text": TensorProto.STRING}
    inputs = [helper.make_tensor_value_info(name, kind, ["batch"]) for name, kind in kinds.items()]
    nodes = [helper.make_node("Identity", [source], [name]) for name, (source, _) in outputs.items()]
    values = [helper.make_tensor_value_info(name, kind, ["batch"]) for name, (_, kind) in outputs.items()]
    graph = helper.make_graph(nodes, "identity", inputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


FEEDS = {"number": np.array([1, 2], np.float32), "text": np.array(["a", "b"], object)}


def test_nulls_become_nan_or_the_empty_string() -> None:
    inputs = feeds(ROWS, CLASSIFICATION)
    assert list(inputs) == ["age", "works", "city"]
    np.testing.assert_array_equal(inputs["age"], np.array([1.5, np.nan], np.float32))
    np.testing.assert_array_equal(inputs["works"], np.array([np.nan, 1], np.float32))
    assert inputs["age"].dtype == inputs["works"].dtype == np.float32
    assert inputs["city"].dtype == object
    assert inputs["city"].tolist() == ["", "Oslo"]


def test_a_wide_number_stays_a_double() -> None:
    column = Column(name="counter", kind="numeric", is_wide=True)
    signature = Signature(task="regression", target="t", columns=(column,))
    inputs = feeds(pl.DataFrame({"counter": [1_000_000_035.0, None]}), signature)["counter"]
    assert inputs.dtype == np.float64
    np.testing.assert_array_equal(inputs, [1_000_000_035.0, np.nan])


def test_the_truth_is_labels_or_values() -> None:
    assert truth(ROWS, CLASSIFICATION).tolist() == ["yes", "no"]
    regression = Signature(task="regression", target="t", columns=())
    values = truth(pl.DataFrame({"t": [1.25, 3.0]}), regression)
    assert values.dtype == np.float64
    assert values.tolist() == [1.25, 3.0]


@pytest.mark.parametrize("by_path", [True, False])
def test_outputs_are_taken_by_position(by_path: bool, tmp_path: Path) -> None:
    classifier = _model({"first": ("text", TensorProto.STRING), "second": ("number", TensorProto.FLOAT)})
    path = tmp_path / "model.onnx"
    path.write_bytes(classifier)
    predictions = OnnxModel(path if by_path else classifier).run(FEEDS)
    assert predictions.labels.tolist() == ["a", "b"]
    assert predictions.probabilities.tolist() == [1, 2]
    assert predictions.values.size == 0


def test_a_single_output_is_the_value() -> None:
    predictions = OnnxModel(_model({"only": ("number", TensorProto.FLOAT)})).run(FEEDS)
    assert predictions.values.tolist() == [1, 2]
    assert predictions.labels.size == predictions.probabilities.size == 0


def test_one_row_gives_a_batch_of_a_single_row() -> None:
    row = one_row(FEEDS, 1)
    assert {name: values.tolist() for name, values in row.items()} == {"number": [2], "text": ["b"]}
