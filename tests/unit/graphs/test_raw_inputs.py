from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.signature import Task
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import CAT, NUM, Encoding
from pipeline.graphs.served_graph import normalize, wrap

NASTY = ["label", "value", "probabilities", "num", "_/num", "__/answer", "a.b/c d", "größe ☃", "x:0", "Identity"]


def _dataset(numeric: list[str], categorical: dict[str, tuple[str, ...]], task: Task, classes: int = 2) -> Dataset:
    columns = [ColumnProfile(name=name, kind="numeric", missing=0, distinct=9) for name in numeric]
    columns += [
        ColumnProfile(name=name, kind="categorical", missing=0, distinct=len(known), vocabulary=known)
        for name, known in categorical.items()
    ]
    return Dataset(
        task=task,
        target="t",
        columns=tuple(sorted(columns, key=lambda column: column.name)),  # numeric and categorical columns alternate
        classes=tuple(f"c{n}" for n in range(classes)) if task == "classification" else (),
        rows=SplitRows(train=1, validation=1, test=1),
        sha256="d" * 64,
    )


def _body(dataset: Dataset) -> onnx.ModelProto:
    """Make a body that sums a row with NaN as 0, and divides the sum by 1, 2, 3 ... for each class."""
    encoding = Encoding.of(dataset)
    inputs, nodes, sums = [], [], []
    if encoding.numeric:
        inputs.append(helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", len(encoding.numeric)]))
        nodes += [
            helper.make_node("IsNaN", [NUM], ["nan"]),
            helper.make_node("Where", ["nan", "zero", NUM], ["numbers"]),
            helper.make_node("ReduceSum", ["numbers", "axis"], ["sum_num"]),
        ]
        sums.append("sum_num")
    if encoding.categorical:
        inputs.append(helper.make_tensor_value_info(CAT, TensorProto.INT64, ["batch", len(encoding.categorical)]))
        nodes += [
            helper.make_node("Cast", [CAT], ["ids"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["ids", "axis"], ["sum_cat"]),
        ]
        sums.append("sum_cat")
    nodes += [helper.make_node("Sum", sums, ["sum"]), helper.make_node("Div", ["sum", "by"], ["answer"])]
    outputs = max(1, len(dataset.classes))
    constants = {
        "axis": np.array([1], np.int64),
        "zero": np.array(0, np.float32),
        "by": np.arange(1, outputs + 1, dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "body",
        inputs,
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _run(dataset: Dataset, frame: pl.DataFrame) -> Any:
    model = wrap(_body(dataset), dataset, dataset.signature)
    return OnnxModel(model.SerializeToString()).run(feeds(frame, dataset.signature))


def _sum(dataset: Dataset, frame: pl.DataFrame) -> np.ndarray[Any, Any]:
    encoded = Encoding.of(dataset).encode(frame)
    total: np.ndarray[Any, Any] = np.nan_to_num(encoded[NUM]).sum(axis=1) + encoded[CAT].sum(axis=1)
    return total


def test_category_ids_are_0_for_missing_then_the_vocabulary_then_unknown() -> None:
    dataset = _dataset([], {"city": ("Rome", "Oslo")}, "regression")
    frame = pl.DataFrame({"city": ["Oslo", None, "Rome", "rome", "Lima"]})
    assert Encoding.of(dataset).encode(frame)[CAT].tolist() == [[2], [0], [1], [3], [3]]
    assert _run(dataset, frame).values.tolist() == [2, 0, 1, 3, 3]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_columns_may_have_any_name(task: Task) -> None:
    dataset = _dataset(NASTY[::2], dict.fromkeys(NASTY[1::2], ("x", "y")), task)
    frame = pl.DataFrame({name: [1.5, None, -2.0] if index % 2 == 0 else ["y", "x", None]
                          for index, name in enumerate(NASTY)})  # fmt: skip
    model = wrap(_body(dataset), dataset, dataset.signature)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [value.name for value in session.get_inputs()] == [column.name for column in dataset.columns]
    assert tuple(value.name for value in session.get_outputs()) == dataset.signature.outputs
    predictions = _run(dataset, frame)
    total = predictions.values if task == "regression" else predictions.probabilities[:, 0]
    assert total.tolist() == _sum(dataset, frame).tolist()


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize(
    ("numeric", "categorical"),
    [(["a", "c"], {"b": ("x",), "d": ("y", "z")}), (["a"], {}), ([], {"b": ("x",)}), ([], {"b": ()})],
    ids=["both", "one number", "one category", "a category that training never saw"],
)
def test_batches_of_any_size_and_columns_of_any_kind_are_encoded(
    numeric: list[str], categorical: dict[str, tuple[str, ...]], rows: int
) -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {name: pl.Series(random.normal(size=rows), dtype=pl.Float32) for name in numeric}
        | {name: pl.Series(random.choice(["x", "y", "z"], rows), dtype=pl.String) for name in categorical}
    )
    dataset = _dataset(numeric, categorical, "classification", classes=3)
    predictions = _run(dataset, frame)
    assert predictions.probabilities.shape == (rows, 3)
    assert len(predictions.labels) == rows
    np.testing.assert_allclose(predictions.probabilities[:, 0], _sum(dataset, frame), rtol=1e-6)


def _widened(dataset: Dataset, medians: dict[str, float | None]) -> Dataset:
    columns = tuple(
        column.model_copy(update={"is_wide": True, "median": medians[column.name]})
        if column.name in medians
        else column
        for column in dataset.columns
    )
    return dataset.model_copy(update={"columns": columns})


@pytest.mark.parametrize("rows", [0, 1, 500])
@pytest.mark.parametrize("wide", [["b"], ["a", "c"], ["a", "b", "c", "d"]])
def test_wide_numbers_are_centered_in_float64_like_in_training(wide: list[str], rows: int) -> None:
    random = np.random.default_rng(0)
    medians = dict(zip("abcd", (1e9, 6_650_003.4, 52.5200066, None), strict=True))
    dataset = _widened(_dataset(list("abcd"), {"e": ("x",)}, "regression"), {name: medians[name] for name in wide})
    frame = pl.DataFrame(
        {
            name: pl.Series(
                [None if random.random() < 0.1 else (medians[name] or 0) + value for value in random.normal(size=rows)],
                dtype=pl.Float64 if name in wide else pl.Float32,
            )
            for name in "abcd"
        }
    ).with_columns(e=pl.Series(["x"] * rows, dtype=pl.String))
    encoded = Encoding.of(dataset).encode(frame)[NUM]
    model = wrap(_body(dataset), dataset, dataset.signature)
    kinds = {graph_input.name: graph_input.type.tensor_type.elem_type for graph_input in model.graph.input}
    assert {name for name, kind in kinds.items() if kind == TensorProto.DOUBLE} == set(wide)
    inner = onnx.utils.Extractor(model).extract_model([column.name for column in dataset.columns], ["_/num"])
    (outputs,) = OnnxModel(inner.SerializeToString()).run_raw(feeds(frame, dataset.signature))
    np.testing.assert_array_equal(outputs, encoded)
    assert encoded.dtype == np.float32
    if rows > 1:
        shifts = np.array([frame[name].to_numpy() - (medians[name] or 0) for name in wide]).T
        indices = ["abcd".index(name) for name in wide]
        np.testing.assert_allclose(encoded[:, indices], shifts, rtol=1e-6)


def test_a_graph_without_wide_numbers_has_no_double() -> None:
    dataset = _dataset(["a", "b"], {}, "regression")
    model = wrap(_body(dataset), dataset, dataset.signature)
    assert not {"Sub", "Cast"} & {node.op_type for node in model.graph.node if not node.output[0].startswith("_/body")}
    assert {graph_input.type.tensor_type.elem_type for graph_input in model.graph.input} == {TensorProto.FLOAT}


def test_wide_numbers_are_encoded_next_to_dates_and_under_any_name() -> None:
    dataset = _widened(_dataset(NASTY[::2], {}, "regression"), {NASTY[0]: 1e9, NASTY[4]: -1e9})
    date = ColumnProfile(name="when", kind="datetime", missing=0, distinct=9, median=1.7e9, parts=("trend", "hour"))
    dataset = dataset.model_copy(update={"columns": (date, *dataset.columns)})
    frame = pl.DataFrame({name: [1.5, None, -2.0] for name in NASTY[::2]}).with_columns(
        pl.Series(NASTY[0], [1e9 + 1, None, 1e9 - 3]), pl.Series("when", [1.7e9, 1.7e9 + 86_400 * 3.5, None])
    )
    body = make_model(
        "body",
        [helper.make_node("Identity", [NUM], ["answer"])],
        [helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", 7])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 7])],
    )
    model = wrap(body, dataset, dataset.signature)
    (outputs,) = OnnxModel(model.SerializeToString()).run_raw(feeds(frame, dataset.signature))
    np.testing.assert_array_equal(outputs.reshape(3, 7), Encoding.of(dataset).encode(frame)[NUM])


def test_the_label_is_the_most_probable_class() -> None:
    dataset = _dataset(["a"], {}, "classification", classes=40)
    predictions = _run(dataset, pl.DataFrame({"a": [5.0, -5.0]}))
    assert predictions.labels.tolist() == ["c0", "c39"]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_regression_can_have_quantiles(rows: int) -> None:
    dataset = _dataset(["a", "quantiles"], {}, "regression")
    signature = dataset.signature_of((), (0.1, 0.9))
    assert signature.outputs == ("value", "quantiles_")
    frame = pl.DataFrame(
        {"a": [float(n) for n in range(rows)], "quantiles": [7.0] * rows}, schema_overrides={"a": pl.Float32}
    )
    weights = numpy_helper.from_array(np.array([[1, 2, 3], [0, 0, 1]], np.float32), "weights")
    body = make_model(
        "body",
        [helper.make_node("MatMul", [NUM, "weights"], ["answer"])],
        [helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 3])],
        [weights],
    )
    predictions = OnnxModel(wrap(body, dataset, signature).SerializeToString()).run(feeds(frame, signature))
    assert predictions.values.tolist() == [float(n) for n in range(rows)]
    assert predictions.quantiles.tolist() == [[2.0 * n, 3.0 * n + 7] for n in range(rows)]


def test_a_vocabulary_may_be_huge() -> None:
    known = tuple(f"value {n}" for n in range(20_000))
    dataset = _dataset([], {"id": known}, "regression")
    assert _run(dataset, pl.DataFrame({"id": ["value 19999", "value 0", "value"]})).values.tolist() == [
        20_000,
        1,
        20_001,
    ]


def test_normalize_removes_unused_domains_and_sorts_the_nodes() -> None:
    dataset = _dataset(["a"], {}, "regression")
    body = _body(dataset)
    backwards = list(reversed(body.graph.node))
    del body.graph.node[:]
    body.graph.node.extend(backwards)
    body.opset_import.append(helper.make_opsetid("com.microsoft.experimental", 1))
    before = body.SerializeToString()
    onnx.checker.check_model(normalize(body))
    assert [opset.domain for opset in normalize(body).opset_import] == [""]
    assert OnnxModel(wrap(body, dataset, dataset.signature).SerializeToString())
    assert body.SerializeToString() == before


def test_normalize_deletes_stack_traces_with_local_paths() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in ("x", "y")]
    model = make_model("noted", nodes, values[:1], values[1:])
    model.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /home/somebody/train.py")
    assert b"somebody" not in normalize(model).SerializeToString()
