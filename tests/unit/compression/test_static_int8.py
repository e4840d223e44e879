"""Static int8 of matrices and convolutions, calibrated on training rows, and weights quantized in blocks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.block_weights import BlockWeights
from pipeline.compression.passes.quantization.static_int8 import STATIC_CONFIGS, StaticInt8, StaticInt8Config
from pipeline.compression.training_rows import TrainingRows
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.compose import make_model
from tests.helpers.trained_networks import trained, treeless_body

_RANDOM = np.random.default_rng(0)


def context_of(rows: TrainingRows, body: bytes) -> PassContext:
    return PassContext(read_rows=lambda: rows, teacher=body)


def table_rows(count: int | None = None) -> tuple[bytes, TrainingRows]:
    network = trained("breast_cancer")
    rows = TrainingRows.encode(network.validation.head(count or 999), network.dataset, network.dataset.signature)
    return network.body, rows


def run_model(model: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def convolution_body(channels: int = 8) -> bytes:
    """image [batch, 8, 8, 1] -> two convolutions, then the probabilities of three classes."""
    weights = {
        "first": _RANDOM.normal(size=(channels, 1, 3, 3), scale=0.3),
        "second": _RANDOM.normal(size=(channels, channels, 3, 3), scale=0.2),
        "last": _RANDOM.normal(size=(channels * 64, 3), scale=0.1),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors.append(numpy_helper.from_array(np.array([-1, channels * 64]), "flat"))
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["pixels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["pixels", "first"], ["c0"], name="conv_0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "second"], ["c1"], name="conv_1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Reshape", ["r1", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "last"], ["logits"], name="matmul"),
        helper.make_node("Softmax", ["logits"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 1])
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 3])
    return bytes(make_model("body", nodes, [image], [output], tensors).SerializeToString())


def attention_body() -> bytes:
    """image [batch, 8, 8, 1], read as 8 positions -> a projection, attention -> the probabilities of two classes."""
    weights = {"project": (8, 16), "last": (16, 2)}
    tensors = [
        numpy_helper.from_array(_RANDOM.normal(size=shape, scale=0.2).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    constants = {"flat": [-1, 8, 8], "axis": [1]}
    tensors += [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "flat"], ["positions"]),
        helper.make_node("MatMul", ["positions", "project"], ["keys"], name="projection"),
        helper.make_node("Transpose", ["keys"], ["columns"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["keys", "columns"], ["scores"], name="scores"),
        helper.make_node("Softmax", ["scores"], ["attention"]),
        helper.make_node("MatMul", ["attention", "keys"], ["mixed"], name="mixed"),
        helper.make_node("ReduceMean", ["mixed", "axis"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "last"], ["logits"], name="last_layer"),
        helper.make_node("Softmax", ["logits"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 1])
    output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 2])
    return bytes(make_model("body", nodes, [image], [output], tensors).SerializeToString())


def image_rows(count: int = 100) -> TrainingRows:
    images = _RANDOM.integers(0, 4, size=(count, 8, 8, 1), dtype=np.uint8)
    return TrainingRows(inputs={"image": images}, target=np.zeros(count, np.int64), classes=3)


def test_a_quantized_tabular_network_is_smaller_and_predicts_nearly_the_same() -> None:
    body, rows = table_rows()
    quantized = StaticInt8(context_of(rows, body))(body).model
    assert len(quantized) < len(body)
    inputs = rows.read(["num"], slice(None))
    np.testing.assert_allclose(run_model(quantized, inputs), run_model(body, inputs), atol=0.1)


def test_convolutions_are_quantized_and_keep_their_labels() -> None:
    body, rows = convolution_body(), image_rows()
    quantized = StaticInt8(context_of(rows, body))(body).model
    inputs = rows.read(["image"], slice(None))
    agreed = run_model(quantized, inputs).argmax(axis=1) == run_model(body, inputs).argmax(axis=1)
    assert agreed.mean() > 0.95
    kinds = {tensor.data_type for tensor in onnx.load_from_string(quantized).graph.initializer if len(tensor.dims) == 4}
    assert kinds == {TensorProto.INT8}


def test_sequence_layers_use_the_integer_operator_with_float_output(tmp_path: Path) -> None:
    body, rows = attention_body(), image_rows()
    quantized = StaticInt8(context_of(rows, body))(body).model
    inputs = rows.read(["image"], slice(None))
    np.testing.assert_allclose(run_model(quantized, inputs), run_model(body, inputs), atol=0.02)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3  # suppress the warning that the file is for this CPU
    onnxruntime.InferenceSession(quantized, options, providers=["CPUExecutionProvider"])
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert (operators["MatMulIntegerToFloat"], operators["QLinearMatMul"]) == (2, 0)
    assert operators["MatMul"] + operators["FusedMatMul"] == 2  # the products of two activations


def test_the_prediction_of_a_row_does_not_depend_on_other_rows() -> None:
    body, rows = table_rows()
    quantized = StaticInt8(context_of(rows, body))(body).model
    batch = np.resize(rows.inputs["num"], (64, 30)) * np.linspace(1, 50, 64, dtype=np.float32)[:, None]
    single = np.concatenate([run_model(quantized, {"num": row[None]}) for row in batch])
    np.testing.assert_array_equal(single, run_model(quantized, {"num": batch}))


@pytest.mark.parametrize("config", STATIC_CONFIGS)
def test_the_exact_layers_of_a_config_stay_in_float(config: StaticInt8Config) -> None:
    body, rows = table_rows()
    graph = onnx.load_from_string(StaticInt8(context_of(rows, body), config)(body).model).graph
    restored = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    exact = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] not in restored]
    assert len(exact) == config.exact_first + config.exact_last


def test_one_constant_row_is_enough_to_calibrate() -> None:
    body, rows = table_rows(1)
    constant = TrainingRows(inputs={"num": np.zeros_like(rows.inputs["num"])}, target=rows.target, classes=2)
    quantized = StaticInt8(context_of(constant, body))(body).model
    assert np.isfinite(run_model(quantized, table_rows(5)[1].read(["num"], slice(None)))).all()


def test_rows_without_a_finite_prediction_do_not_calibrate() -> None:
    body, rows = table_rows()
    values = rows.inputs["num"].copy()
    values[1:] = np.nan
    quantized = StaticInt8(context_of(TrainingRows(inputs={"num": values}, target=None, classes=2), body))(body).model
    assert np.isfinite(run_model(quantized, rows.read(["num"], slice(None)))).all()
    missing = TrainingRows(inputs={"num": np.full_like(values, np.nan)}, target=None, classes=2)
    with pytest.raises(NotApplicableError, match="finite"):
        StaticInt8(context_of(missing, body))(body)


def test_static_int8_is_not_applicable_without_rows_or_layers() -> None:
    body, rows = table_rows()
    nothing = TrainingRows(inputs={"num": np.empty((0, 30), np.float32)}, target=None, classes=2)
    with pytest.raises(NotApplicableError, match="no training rows"):
        StaticInt8(context_of(nothing, body))(body)
    with pytest.raises(NotApplicableError, match="no MatMul"):
        StaticInt8(context_of(rows, body))(treeless_body(3).SerializeToString())


@pytest.mark.parametrize(("bits", "most"), [(8, 0.01), (4, 0.15)])
def test_weights_in_blocks_predict_nearly_the_same(bits: int, most: float) -> None:
    body, rows = table_rows()
    blocks = BlockWeights(bits)(body).model
    inputs = rows.read(["num"], slice(None))
    assert np.abs(run_model(blocks, inputs) - run_model(body, inputs)).max() < most
    assert any(node.op_type == "MatMulNBits" for node in onnx.load_from_string(blocks).graph.node)


def test_blocks_of_a_graph_without_matrices_are_not_applicable() -> None:
    with pytest.raises(NotApplicableError, match="no MatMul"):
        BlockWeights(4)(treeless_body(3).SerializeToString())
