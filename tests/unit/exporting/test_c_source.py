"""C source predicts the same as onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.contracts.errors import ConfigurationError, InvalidModelError
from pipeline.exporting.c_source.run import find_compiler, run_compiled
from pipeline.exporting.c_source.source import identifier, translate
from pipeline.exporting.c_source.tensors import literal

COMPILER = find_compiler()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
RANDOM = np.random.default_rng(7)
Arrays = Mapping[str, npt.NDArray[Any]]


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, list[Any]]],
    outputs: Mapping[str, tuple[int, list[Any]]],
    constants: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    def values(tensors: Mapping[str, tuple[int, list[Any]]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, *tensor) for name, tensor in tensors.items()]

    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    built = helper.make_graph(list(nodes), "graph", values(inputs), values(outputs), initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(built, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    return model


def assert_equal(model: onnx.ModelProto, feeds: Arrays, tolerance: float = 1e-6) -> None:
    """Compare the compiled source with onnxruntime, row by row."""
    assert COMPILER is not None
    session = onnxruntime.InferenceSession(model.SerializeToString())
    rows = range(len(next(iter(feeds.values()))))
    expected = [session.run(None, {name: value[row : row + 1] for name, value in feeds.items()}) for row in rows]
    actual = run_compiled(translate(model, "model"), feeds, COMPILER)
    for index, output in enumerate(actual):
        reference = np.concatenate([row[index] for row in expected])
        if reference.dtype == object:
            assert output.tolist() == reference.tolist()
        else:
            np.testing.assert_allclose(output.reshape(reference.shape), reference, rtol=tolerance, atol=tolerance)


def numbers(*shape: int) -> npt.NDArray[np.float32]:
    return RANDOM.normal(size=shape).astype(np.float32)


UNARY = [
    *("IsNaN", "Not", "Neg", "Abs", "Sqrt", "Exp", "Log", "Sin", "Cos", "Erf", "Floor", "Ceil", "Round", "Tanh"),
    *("Sigmoid", "Softplus", "Relu", "Reciprocal", "Identity", "LeakyRelu", "Elu", "Softmax"),
]


@needs_compiler
def test_elementwise_operators_equal_onnxruntime() -> None:
    nodes = [helper.make_node("Abs", ["x"], ["positive"]), helper.make_node("Greater", ["x", "half"], ["flags"])]
    outputs: dict[str, tuple[int, list[Any]]] = {}
    for kind in UNARY:
        source = {"Sqrt": "positive", "Log": "positive", "Not": "flags"}.get(kind, "x")
        name = f"y_{kind}"
        nodes.append(helper.make_node(kind, [source], [name]))
        outputs[name] = (TensorProto.BOOL if kind in {"IsNaN", "Not"} else FLOAT, ["batch", 4])
    for kind in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum"):
        nodes.append(helper.make_node(kind, ["positive", "row"], [f"y_{kind}"]))
        outputs[f"y_{kind}"] = (FLOAT, ["batch", 4])
    for kind in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"):
        nodes.append(helper.make_node(kind, ["x", "half"], [f"y_{kind}"]))
        outputs[f"y_{kind}"] = (TensorProto.BOOL, ["batch", 4])
    nodes += [
        helper.make_node("Where", ["flags", "row", "x"], ["y_Where"]),
        helper.make_node("Clip", ["x", "half", "one"], ["y_Clip"]),
        helper.make_node("Cast", ["flags"], ["y_Cast"], to=FLOAT),
    ]
    outputs |= {name: (FLOAT, ["batch", 4]) for name in ("y_Where", "y_Clip", "y_Cast")}
    constants = {"half": np.float32(0.5), "one": np.float32(1), "row": np.abs(numbers(4))}
    model = graph(nodes, {"x": (FLOAT, ["batch", 4])}, outputs, constants)
    assert_equal(model, {"x": numbers(5, 4)}, tolerance=1e-5)


@needs_compiler
def test_operators_that_move_elements_equal_onnxruntime() -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["cube"]),
        helper.make_node("Transpose", ["cube"], ["y_turned"], perm=[0, 2, 1]),
        helper.make_node("Concat", ["cube", "cube"], ["y_joined"], axis=-1),
        helper.make_node("Concat", ["x", "nothing"], ["y_joined_with_nothing"], axis=1),
        helper.make_node("Split", ["x", "sizes"], ["y_left", "y_right"], axis=1),
        helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["y_slice"]),
        helper.make_node("Gather", ["x", "places"], ["y_gathered"], axis=1),
        helper.make_node("Gather", ["table", "codes"], ["y_found"], axis=0),
        helper.make_node("ReduceSum", ["cube", "axes"], ["y_sum"], keepdims=0),
        helper.make_node("ReduceMean", ["cube", "axes"], ["y_mean"]),
        helper.make_node("ReduceMax", ["cube", "axes"], ["y_max"]),
        helper.make_node("ArgMax", ["x"], ["y_best"], axis=1, keepdims=0),
        helper.make_node("Unsqueeze", ["x", "axes"], ["tall"]),
        helper.make_node("Flatten", ["tall"], ["y_flat"], axis=1),
    ]
    outputs: dict[str, tuple[int, list[Any]]] = {
        "y_turned": (FLOAT, ["batch", 3, 2]), "y_joined": (FLOAT, ["batch", 2, 6]), "y_left": (FLOAT, ["batch", 2]),
        "y_right": (FLOAT, ["batch", 4]), "y_slice": (FLOAT, ["batch", 2]), "y_gathered": (FLOAT, ["batch", 3]),
        "y_found": (FLOAT, ["batch", 2, 5]), "y_sum": (FLOAT, ["batch", 3]), "y_mean": (FLOAT, ["batch", 1, 3]),
        "y_max": (FLOAT, ["batch", 1, 3]), "y_best": (INT64, ["batch"]), "y_flat": (FLOAT, ["batch", 6]),
        "y_joined_with_nothing": (FLOAT, ["batch", 6]),
    }  # fmt: skip
    constants = {
        "shape": np.array([-1, 2, 3]), "sizes": np.array([2, 4]), "starts": np.array([4]), "ends": np.array([0]),
        "axes": np.array([1]), "steps": np.array([-2]), "places": np.array([5, 0, -2]), "table": numbers(7, 5),
        "nothing": numbers(1, 0),
    }  # fmt: skip
    model = graph(nodes, {"x": (FLOAT, ["batch", 6]), "codes": (INT64, ["batch", 2])}, outputs, constants)
    assert_equal(model, {"x": numbers(3, 6), "codes": RANDOM.integers(0, 7, (3, 2))})


@needs_compiler
def test_texts_are_encoded_and_labels_are_returned_like_in_onnxruntime() -> None:
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["town"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["Bergen", "", "Ål", 'a"b\\c??/'],
            values_int64s=[3, 0, 1, 2],
            default_int64=4,
        ),
        helper.make_node("Gather", ["labels", "code"], ["label"]),
    ]
    labels = np.array(["none", "north", "quote", "west", "unknown"], dtype=object)
    model = graph(nodes, {"town": (STRING, ["batch"])}, {"label": (STRING, ["batch"])}, {"labels": labels})
    towns = np.array(["Ål", "", "Oslo", "Bergen", 'a"b\\c??/'], dtype=object)
    assert_equal(model, {"town": towns})


@needs_compiler
def test_networks_equal_onnxruntime_in_fp32_and_int8() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"], transB=1),
        helper.make_node("LayerNormalization", ["h1", "scale", "shift"], ["h2"], axis=-1),
        helper.make_node("DynamicQuantizeLinear", ["h2"], ["q", "q_scale", "q_zero"]),
        helper.make_node("MatMulInteger", ["q", "w2", "q_zero", "w2_zero"], ["product"]),
        helper.make_node("Cast", ["product"], ["product_float"], to=FLOAT),
        helper.make_node("Mul", ["product_float", "q_scale"], ["h3"]),
        helper.make_node("QuantizeLinear", ["h3", "step", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "step", "zero"], ["h4"]),
        helper.make_node("MatMul", ["h4", "w3"], ["h5"]),
        helper.make_node("Softmax", ["h5"], ["y"], axis=-1),
    ]
    constants = {
        "w1": numbers(8, 6), "b1": numbers(8), "scale": numbers(8), "shift": numbers(8),
        "w2": RANDOM.integers(-63, 63, (8, 5)).astype(np.int8),  # 7 bits: 8 bits would saturate on CPUs without VNNI
         "w2_zero": np.int8(0),
        "step": np.float32(2.0), "zero": np.int8(3), "w3": numbers(5, 3) / 100,
    }  # fmt: skip
    model = graph(nodes, {"x": (FLOAT, ["batch", 6])}, {"y": (FLOAT, ["batch", 3])}, constants)
    assert_equal(model, {"x": numbers(20, 6)}, tolerance=1e-4)


@needs_compiler
def test_stacks_of_matrices_equal_onnxruntime() -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["tall"]),
        helper.make_node("Expand", ["tall", "shape"], ["stack"]),
        helper.make_node("MatMul", ["stack", "weights"], ["wide"]),
        helper.make_node("MatMul", ["left", "wide"], ["y"]),
    ]
    constants = {
        "axis": np.array([1]), "shape": np.array([1, 3, 4]), "weights": numbers(1, 4, 5), "left": numbers(2, 3),
    }  # fmt: skip
    model = graph(nodes, {"x": (FLOAT, ["batch", 4])}, {"y": (FLOAT, ["batch", 2, 5])}, constants)
    assert_equal(model, {"x": numbers(6, 4)}, tolerance=1e-5)


@needs_compiler
@pytest.mark.parametrize("modes", [[0, 0, 0], [0, 1, 3]])
def test_trees_equal_onnxruntime(modes: list[int]) -> None:
    splits = np.array([0.1, -0.5, 0.7], np.float32)
    node = helper.make_node(
        "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=2, aggregate_function=1, tree_roots=[0, 2],
        nodes_featureids=[0, 1, 2], nodes_splits=numpy_helper.from_array(splits),
        nodes_modes=numpy_helper.from_array(np.array(modes, np.uint8)),
        nodes_truenodeids=[1, 0, 3], nodes_trueleafs=[0, 1, 1],
        nodes_falsenodeids=[1, 2, 4], nodes_falseleafs=[1, 1, 1],
        nodes_missing_value_tracks_true=[0, 1, 0], leaf_targetids=[0, 0, 0, 1, 1],
        leaf_weights=numpy_helper.from_array(np.array([1, 2, 4, 8, 16], np.float32)),
    )  # fmt: skip
    model = graph([node], {"x": (FLOAT, ["batch", 3])}, {"y": (FLOAT, ["batch", 2])})
    rows = numbers(30, 3)
    rows[0, 1] = np.nan
    rows[1] = splits  # values equal to the thresholds
    assert_equal(model, {"x": rows})


def test_an_operator_without_c_code_is_refused_by_name() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="first")
    model = graph(
        [node], {"x": (FLOAT, ["batch", 1, 4, 4])}, {"y": (FLOAT, ["batch", 1, 2, 2])}, {"w": numbers(1, 1, 3, 3)}
    )
    with pytest.raises(InvalidModelError, match=r"'first' \(Conv\)"):
        translate(model, "model")


def test_a_tensor_whose_shape_depends_on_the_row_is_refused_by_name() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["places"]), helper.make_node("Cast", ["places"], ["y"], to=FLOAT)]
    model = graph(nodes, {"x": (FLOAT, ["batch", 4])}, {"y": (FLOAT, [2, None])})
    with pytest.raises(InvalidModelError, match=r"'(places|y)'"):
        translate(model, "model")


def test_half_precision_is_refused() -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)
    model = graph([node], {"x": (FLOAT, ["batch", 4])}, {"y": (TensorProto.FLOAT16, ["batch", 4])})
    with pytest.raises(InvalidModelError, match="FLOAT16"):
        translate(model, "model")


@needs_compiler
def test_a_compiler_that_fails_is_reported_by_name() -> None:
    node = helper.make_node("Abs", ["x"], ["y"])
    model = graph([node], {"x": (FLOAT, ["batch", 4])}, {"y": (FLOAT, ["batch", 4])})
    with pytest.raises(ConfigurationError, match="/bin/false"):
        run_compiled(translate(model, "model"), {"x": numbers(1, 4)}, "/bin/false")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("price", "price"), ("sq. feet", "sq__feet"), ("int", "int_"), ("2nd", "_2nd"), ("", "_"), ("größe", "gr__e")],
)
def test_names_become_c_identifiers(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_equal_c_identifiers_are_numbered() -> None:
    assert identifier("a b", ["a_b", "a_b_2"]) == "a_b_3"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "1.0"), (float("nan"), "NAN"), (float("-inf"), "-INFINITY"), (2**40, "1099511627776LL"), (True, "1")],
)
def test_values_become_c_literals(value: object, expected: str) -> None:
    assert literal(value) == expected


def test_a_float32_literal_reads_back_exactly() -> None:
    for value in numbers(1000):
        assert np.float32(literal(float(value), is_float32=True).removesuffix("f")) == value
