"""Models that other libraries exported are read, described and converted to served files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import polars as pl
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pipeline.brought.description import BroughtTask
from pipeline.brought.reading import TASK, read_model
from pipeline.contracts.errors import InvalidJobSpecError, InvalidModelError
from pipeline.contracts.object_keys import CALIBRATION
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import MODEL, UPLOADED
from pipeline.contracts.spec.job_spec import JobSpec
from tests.fakes.onnx_graphs import constant, graph, layer, matrix, value

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.standard_normal((4, 3)).astype(np.float32)


@dataclass(frozen=True)
class Read:
    """The outputs of reading a model."""

    dataset: Dataset
    spec: JobSpec
    served: bytes
    test: pl.DataFrame

    def run(self, **columns: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        session = onnxruntime.InferenceSession(self.served, providers=["CPUExecutionProvider"])
        outputs: list[npt.NDArray[Any]] = session.run(list(self.dataset.signature.outputs), columns)
        return outputs


def _read(folder: Path, model: onnx.ModelProto, rows: str | None = None, spec: JobSpec | None = None) -> Read:
    (folder / UPLOADED).write_bytes(model.SerializeToString())
    task = BroughtTask(file="model.onnx", spec=spec or JobSpec(), has_calibration=rows is not None)
    (folder / TASK).write_bytes(task.to_bytes())
    if rows is not None:
        (folder / CALIBRATION).write_text(rows)
    read_model(folder)
    out = folder / "out"
    return Read(
        dataset=Dataset.from_bytes((out / "dataset.json").read_bytes()),
        spec=JobSpec.from_bytes((out / "spec.json").read_bytes()),
        served=(out / "candidate" / MODEL).read_bytes(),
        test=pl.read_parquet(out / "test.parquet"),
    )


def _csv(names: str, rows: npt.NDArray[Any]) -> str:
    return "\n".join([names, *(",".join(map(str, row)) for row in rows.tolist())]) + "\n"


def _classifier(activation: str = "Softmax") -> onnx.ModelProto:
    nodes = [layer("x", "logits"), helper.make_node(activation, ["logits"], ["y"])]
    return graph(nodes, [matrix("x", 4)], [matrix("y", 3)], [constant("w", WEIGHTS)])


def _softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_the_columns_of_a_matrix_are_named_like_the_calibration_rows(tmp_path: Path) -> None:
    rows = RANDOM.standard_normal((40, 4)).round(3)
    read = _read(tmp_path, _classifier(), _csv("a,b,c,d", rows))
    assert [column.name for column in read.dataset.columns] == ["a", "b", "c", "d"]
    assert read.dataset.classes == ("0", "1", "2")
    assert (read.dataset.rows.train, read.dataset.rows.validation, read.dataset.rows.test) == (20, 10, 10)
    label, probabilities = read.run(**{name: rows[:, index].astype(np.float32) for index, name in enumerate("abcd")})
    expected = _softmax(rows @ WEIGHTS)
    assert probabilities == pytest.approx(expected, abs=1e-5)
    assert label.tolist() == [str(index) for index in expected.argmax(axis=1)]


def test_the_quality_without_labels_is_the_agreement_and_a_warning_says_so(tmp_path: Path) -> None:
    read = _read(tmp_path, _classifier(), _csv("a,b,c,d", RANDOM.standard_normal((40, 4)).round(3)))
    assert read.spec.metric == "accuracy"
    assert "int8" in read.spec.compression.precisions
    predicted = read.run(**{name: read.test[name].to_numpy() for name in "abcd"})[0]
    assert read.test["prediction"].to_list() == predicted.tolist()
    assert "was trained elsewhere" in read.dataset.warnings[0]
    assert "agreement with the uploaded file" in read.dataset.warnings[1]


def test_labels_in_the_calibration_rows_measure_the_quality(tmp_path: Path) -> None:
    rows = RANDOM.standard_normal((40, 4)).round(3)
    labeled = np.column_stack([rows.astype(object), np.array([0, 1] * 20, object)])
    read = _read(tmp_path, _classifier(), _csv("a,b,c,d,kind", labeled), JobSpec(target="kind", metric="log_loss"))
    assert [column.name for column in read.dataset.columns] == ["a", "b", "c", "d"]
    assert (read.dataset.target, read.spec.metric) == ("kind", "log_loss")
    assert read.test["kind"].to_list() == ["0"] * 10


def test_a_label_that_is_not_a_class_is_refused(tmp_path: Path) -> None:
    rows = "a,b,c,d,kind\n1,2,3,4,seven\n"
    with pytest.raises(InvalidModelError, match=r"'kind': 'seven' is not a class of the model: 0, 1, 2"):
        _read(tmp_path, _classifier(), rows, JobSpec(target="kind"))


def test_a_model_without_calibration_rows_is_not_quantized_and_a_warning_says_so(tmp_path: Path) -> None:
    read = _read(tmp_path, _classifier())
    assert [column.name for column in read.dataset.columns] == ["x_0", "x_1", "x_2", "x_3"]
    assert read.spec.compression.precisions == ("fp32",)
    assert "int8 and int4 were not tried" in read.dataset.warnings[1]


def test_columns_and_classes_are_named_by_the_metadata_of_the_model(tmp_path: Path) -> None:
    model = _classifier()
    helper.set_model_props(model, {"columns": '["a", "b", "c", "d"]', "classes": '["cat", "dog", "owl"]'})
    read = _read(tmp_path, model)
    assert [column.name for column in read.dataset.columns] == ["a", "b", "c", "d"]
    assert read.dataset.classes == ("cat", "dog", "owl")


def test_logits_are_values_unless_a_classification_is_requested(tmp_path: Path) -> None:
    for folder in ("values", "classes"):
        (tmp_path / folder).mkdir()
    values = _read(tmp_path / "values", _classifier("Identity"))
    assert values.dataset.targets == ("y_0", "y_1", "y_2")
    assert "task: classification" in values.dataset.warnings[-1]
    read = _read(tmp_path / "classes", _classifier("Identity"), spec=JobSpec(task="classification"))
    row = {f"x_{index}": np.array([number], np.float32) for index, number in enumerate([1, 2, 3, 4])}
    assert read.run(**row)[1] == pytest.approx(_softmax(np.array([[1, 2, 3, 4]]) @ WEIGHTS), abs=1e-5)


def test_a_single_probability_becomes_the_probabilities_of_two_classes(tmp_path: Path) -> None:
    nodes = [layer("x", "logit"), helper.make_node("Sigmoid", ["logit"], ["y"])]
    model = graph(nodes, [matrix("x", 4)], [matrix("y", 1)], [constant("w", np.ones((4, 1)))])
    read = _read(tmp_path, model)
    label, probabilities = read.run(**{f"x_{index}": np.array([1, -1], np.float32) for index in range(4)})
    assert label.tolist() == ["1", "0"]
    assert probabilities[:, 1] == pytest.approx(1 / (1 + np.exp([-4, 4])), abs=1e-6)


def test_a_task_that_does_not_fit_the_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidJobSpecError, match="task: clustering"):
        _read(tmp_path, _classifier(), spec=JobSpec(task="clustering"))


def test_inputs_of_several_types_become_named_columns(tmp_path: Path) -> None:
    """`modeldrop convert` and other exporters of data frames write such inputs."""
    nodes = [
        helper.make_node("Cast", ["count"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["open"], ["flag"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["whole", "flag"], ["sum"]),
        helper.make_node("Add", ["sum", "size"], ["y"]),
    ]
    inputs = [
        value("size", shape=("batch", 1)),
        value("count", TensorProto.INT64, ("batch", 1)),
        value("open", TensorProto.BOOL, ("batch", 1)),
    ]
    read = _read(tmp_path, graph(nodes, inputs, [matrix("y", 1)]), "open,size,count,note\ntrue,1.5,16777217,x\n" * 1)
    assert [(column.name, column.kind, column.is_wide) for column in read.dataset.columns] == [
        ("size", "numeric", False),
        ("count", "numeric", True),  # float32 has no 16777217
        ("open", "boolean", False),
    ]
    assert read.dataset.task == "regression"
    predicted = read.run(size=np.array([2.0], np.float32), count=np.array([40.0]), open=np.array([0.0], np.float32))
    assert predicted[0].tolist() == [42.0]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (8, 8, 3)])
def test_images_of_any_layout_take_pixels_as_height_width_channels(shape: tuple[int, int, int], tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), layer("flat", "y")]
    weights = np.arange(np.prod(shape), dtype=np.float32)[:, None]
    model = graph(nodes, [value("x", shape=("batch", *shape))], [matrix("y", 1)], [constant("w", weights)])
    read = _read(tmp_path, model)
    channels = min(shape)
    (column,) = read.dataset.columns
    assert (column.kind, column.shape) == ("image", (8, 8, channels))
    image = RANDOM.integers(0, 256, (2, 8, 8, channels)).astype(np.uint8)
    as_trained = image.transpose(0, 3, 1, 2) if shape[0] == channels else image
    expected = (as_trained.reshape(2, -1) / 255) @ weights
    assert read.run(x=image)[0] == pytest.approx(expected[:, 0], rel=1e-5)


def test_a_model_of_a_fixed_single_row_is_served_for_any_number_of_rows(tmp_path: Path) -> None:
    nodes = [layer("x", "y")]
    model = graph(nodes, [matrix("x", 4, rows=1)], [matrix("y", 3, rows=1)], [constant("w", WEIGHTS)])
    read = _read(tmp_path, model)
    predicted = read.run(**{f"x_{index}": np.ones(5, np.float32) for index in range(4)})[0]
    assert predicted == pytest.approx(np.tile(WEIGHTS.sum(axis=0), (5, 1)), abs=1e-5)


def test_a_forest_of_scikit_learn_predicts_its_class_names(tmp_path: Path) -> None:
    """The converter ends the graph with a ZipMap, whose output is a sequence of maps."""
    rows = RANDOM.standard_normal((60, 3)).astype(np.float32)
    forest = RandomForestClassifier(5, random_state=0).fit(rows, np.where(rows[:, 0] > 0, "up", "down"))
    model = to_onnx(forest, rows[:1])
    assert any(node.op_type == "ZipMap" for node in model.graph.node)
    read = _read(tmp_path, model, _csv("a,b,c", rows))
    assert read.dataset.classes == ("down", "up")
    label, probabilities = read.run(**{name: rows[:, index] for index, name in enumerate("abc")})
    assert label.tolist() == forest.predict(rows).tolist()
    assert probabilities == pytest.approx(forest.predict_proba(rows), abs=1e-5)


def test_a_model_of_texts_has_a_text_column(tmp_path: Path) -> None:
    texts = np.array(["good thing", "bad thing", "good", "bad", "a good one", "a bad one"], object)
    fitted = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression()).fit(texts, ["yes", "no"] * 3)
    model = to_onnx(fitted, texts[:1, None], target_opset={"": 17, "ai.onnx.ml": 3})
    read = _read(tmp_path, model, "comment\ngood thing\nbad thing\n")
    (column,) = read.dataset.columns
    assert (column.name, column.kind, read.dataset.classes) == ("comment", "text", ("no", "yes"))
    assert read.run(comment=texts)[0].tolist() == ["yes", "no"] * 3


def test_calibration_rows_without_a_finite_prediction_are_dropped(tmp_path: Path) -> None:
    rows = "a,b,c,d\n" + "1,2,3,4\n" * 5 + "1,,3,4\n"
    read = _read(tmp_path, _classifier(), rows)
    assert (read.dataset.rows.test, read.dataset.set_aside) == (5, 1)


def test_local_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    """torch exports some modules as local functions."""
    node = helper.make_node("Double", ["x"], ["y"], domain="own")
    inner = helper.make_node("Add", ["a", "a"], ["b"])
    function = helper.make_function("own", "Double", ["a"], ["b"], [inner], [helper.make_opsetid("", 17)])
    model = graph([node], [matrix("x", 1)], [matrix("y", 1)], own=1)
    model.functions.append(function)
    assert _read(tmp_path, model).run(x=np.array([21.0], np.float32))[0].tolist() == [42.0]


def test_time_steps_become_columns_in_order_of_the_steps(tmp_path: Path) -> None:
    """Three steps of two numbers: the output is a sum with a different factor for each column."""
    factors = np.array([[1, 10], [100, 1_000], [10_000, 100_000]], np.float32)
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["y"], keepdims=0),
    ]
    constants = [constant("w", factors), constant("axes", [1, 2], np.int64)]
    read = _read(tmp_path, graph(nodes, [value("x", shape=("batch", 3, 2))], [value("y")], constants))
    names = [column.name for column in read.dataset.columns]
    assert names == ["x_0_0", "x_0_1", "x_1_0", "x_1_1", "x_2_0", "x_2_1"]
    (values,) = read.run(**{name: np.array([index, 0], np.float32) for index, name in enumerate(names)})
    np.testing.assert_allclose(values, [543_210, 0])


def test_the_columns_of_time_steps_are_named_like_the_calibration_rows(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)
    model = graph([node], [value("x", shape=(1, 2, 2))], [value("y", shape=(1,))])
    read = _read(tmp_path, model, _csv("a,b,c,d", RANDOM.standard_normal((8, 4))))
    assert [column.name for column in read.dataset.columns] == ["a", "b", "c", "d"]
    (values,) = read.run(
        **{name: np.array([number], np.float32) for name, number in zip("abcd", range(4), strict=True)}
    )
    np.testing.assert_allclose(values, [1.5])


def _lowercase(**attributes: Any) -> onnx.ModelProto:
    """Make a model that converts a text to lower case and encodes it."""
    nodes = [
        helper.make_node("StringNormalizer", ["x"], ["lower"], name="norm", case_change_action="LOWER", **attributes),
        helper.make_node(
            "LabelEncoder", ["lower"], ["y"], domain="ai.onnx.ml", keys_strings=["ä", "b"], values_floats=[1.0, 2.0],
            default_float=0.0,
        ),
    ]  # fmt: skip
    return graph(nodes, [value("x", TensorProto.STRING)], [value("y")], ai_onnx_ml=3)


@pytest.mark.parametrize("locale", [None, "en_US.UTF-8", "C"])
def test_a_change_of_case_works_without_the_locale_of_the_model(locale: str | None, tmp_path: Path) -> None:
    read = _read(tmp_path, _lowercase(**({} if locale is None else {"locale": locale})))
    (values,) = read.run(x=np.array(["Ä", "B", "c"], object))
    np.testing.assert_array_equal(values, [0 if locale == "C" else 1, 2, 0])  # the locale C has only ASCII


def test_a_locale_with_other_case_rules_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"node 'norm' \(StringNormalizer\) needs the locale 'tr_TR.UTF-8'"):
        _read(tmp_path, _lowercase(locale="tr_TR.UTF-8"))
