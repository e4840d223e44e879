"""Calibration of activation ranges, and the layers that mixed precision keeps in float."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.calibration import Calibration, calibrate
from pipeline.compression.passes.quantization.integer_layers import count_integer_layers, quantize_layers
from pipeline.compression.passes.quantization.mixed_int8 import MixedInt8, measure_sensitivity
from pipeline.compression.passes.quantization.quantization_graph import prepare_quantization
from pipeline.compression.passes.quantization.static_int8 import StaticInt8, StaticInt8Config
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.compose import make_model
from tests.helpers.trained_networks import embedding_body

INPUTS = 8


def dense_body(*layers: np.ndarray) -> bytes:
    """num -> a MatMul and a Relu per layer; the last layer has no Relu."""
    nodes = []
    for index, _ in enumerate(layers):
        is_last = index == len(layers) - 1
        output = "answer" if is_last else f"z{index}"
        nodes.append(
            helper.make_node("MatMul", [f"x{index}" if index else "num", f"w{index}"], [output], f"layer_{index}")
        )
        if not is_last:
            nodes.append(helper.make_node("Relu", [output], [f"x{index + 1}"]))
    num = helper.make_tensor_value_info("num", TensorProto.FLOAT, ["batch", INPUTS])
    graph_output = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", layers[-1].shape[1]])
    tensors = [numpy_helper.from_array(layer.astype(np.float32), f"w{index}") for index, layer in enumerate(layers)]
    return bytes(make_model("body", nodes, [num], [graph_output], tensors).SerializeToString())


def random_layers(*widths: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(size=(a, b)) / np.sqrt(a) for a, b in itertools.pairwise(widths)]


def rows_of(values: np.ndarray) -> TrainingRows:
    return TrainingRows(inputs={"num": values.astype(np.float32)}, target=None, classes=0)


def skewed_rows(count: int = 512, far: float = 40.0) -> TrainingRows:
    """Make normally distributed rows with one outlier."""
    values = np.random.default_rng(1).normal(size=(count, INPUTS))
    values[0, 0] = far
    return rows_of(values)


def context_of(rows: TrainingRows, body: bytes) -> PassContext:
    return PassContext(read_rows=lambda: rows, teacher=body)


def input_range(method: Calibration, rows: TrainingRows) -> tuple[float, float]:
    graph = prepare_quantization(onnx.load_from_string(dense_body(*random_layers(INPUTS, 16, 2))))
    low, high = calibrate(graph, rows, method)["num"].range_value
    return float(np.ravel(low)[0]), float(np.ravel(high)[0])


def test_percentiles_and_entropy_ignore_outliers() -> None:
    rows = skewed_rows()
    assert input_range("min_max", rows)[1] == pytest.approx(40)
    assert input_range("percentile", rows)[1] < 10
    assert input_range("entropy", rows)[1] < 20


def test_percentiles_give_nearly_the_complete_range_without_outliers() -> None:
    rows = rows_of(np.random.default_rng(1).uniform(-1, 1, size=(512, INPUTS)))
    assert input_range("percentile", rows) == pytest.approx((-1, 1), abs=0.02)


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_usual_rows_are_predicted_better_if_calibration_ignores_outliers(method: Calibration) -> None:
    body, rows = dense_body(*random_layers(INPUTS, 32, 4)), skewed_rows()
    usual_rows = rows.take(np.arange(1, 200))

    def error(calibration: Calibration) -> float:
        config = StaticInt8Config(calibration=calibration)
        quantized = StaticInt8(context_of(rows, body), config)(body).model
        return float(np.abs(predict(quantized, usual_rows) - predict(body, usual_rows)).mean())

    assert error(method) < 0.9 * error("min_max")


@pytest.mark.parametrize("method", ["min_max", "percentile", "entropy"])
@pytest.mark.parametrize("count", [1, 65])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_columns_and_a_single_row_can_calibrate(method: Calibration, count: int, value: float) -> None:
    body, rows = dense_body(*random_layers(INPUTS, 16, 3)), rows_of(np.full((count, INPUTS), value))
    quantized = StaticInt8(context_of(rows, body), StaticInt8Config(calibration=method))(body).model
    np.testing.assert_allclose(predict(quantized, rows), predict(body, rows), atol=0.05)


def one_sensitive_value() -> tuple[bytes, TrainingRows]:
    """Make five layers; one activation of the first is a thousand times as large as the others."""
    first, second, *others = random_layers(INPUTS, 16, 16, 16, 16, 3)
    first[:, 0] *= 1000
    second[0] = 0  # the second layer ignores it
    return dense_body(first, second, *others), rows_of(np.random.default_rng(2).normal(size=(256, INPUTS)))


def test_the_most_sensitive_layers_are_found_by_quantizing_each_separately() -> None:
    body, rows = one_sensitive_value()
    graph = prepare_quantization(onnx.load_from_string(body))
    layers = [f"layer_{index}" for index in range(5)]
    sensitivity = measure_sensitivity(graph, calibrate(graph, rows, "min_max"), rows, layers)
    assert set(sorted(layers, key=lambda name: -sensitivity[name])[:2]) == {"layer_0", "layer_1"}


def test_mixed_precision_keeps_the_most_sensitive_layers_in_float_and_loses_less() -> None:
    body, rows = one_sensitive_value()
    mixed = MixedInt8(context_of(rows, body), exact=0.4)(body).model
    graph = onnx.load_from_string(mixed)
    assert count_integer_layers(graph) == 3
    assert {"w0", "w1"} <= {tensor.name for tensor in graph.graph.initializer}
    expected, static = predict(body, rows), StaticInt8(context_of(rows, body))(body).model
    assert np.abs(predict(mixed, rows) - expected).mean() < np.abs(predict(static, rows) - expected).mean() / 2


def test_mixed_precision_of_one_layer_is_not_applicable() -> None:
    body = dense_body(*random_layers(INPUTS, 3))
    with pytest.raises(NotApplicableError, match="two layers"):
        MixedInt8(context_of(skewed_rows(), body), exact=0.5)(body)


def test_unseen_categories_and_classes_in_calibration_rows_give_finite_predictions() -> None:
    body = bytes(embedding_body(9, 8, 16).SerializeToString())
    rows = TrainingRows(inputs={"cat": np.ones((20, 1), np.int64)}, target=np.zeros(20, np.int64), classes=2)
    quantized = StaticInt8(context_of(rows, body))(body).model
    unseen = TrainingRows(inputs={"cat": np.arange(9)[:, None]}, target=None, classes=2)
    assert np.isfinite(predict(quantized, unseen)).all()


def multiply_saturating(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Multiply like vpmaddubsw and vpmaddwd: add two products in int16, which saturates, then add in int32."""
    products = activations[:, :, None].astype(np.int64) * weights[None].astype(np.int64)
    pairs = products[:, 0::2] + products[:, 1::2]
    return np.clip(pairs, np.iinfo(np.int16).min, np.iinfo(np.int16).max).sum(axis=1)


def test_the_integers_of_static_int8_do_not_saturate_without_vnni() -> None:
    """Multiply the largest activations by the quantized weights; weights of all 8 bits would saturate."""
    body = dense_body(*random_layers(INPUTS, 64, 64, 3))
    graph = prepare_quantization(onnx.load_from_string(body))
    rows = skewed_rows()
    quantized = quantize_layers(graph, calibrate(graph, rows, "min_max"), ["layer_0", "layer_1", "layer_2"])
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in quantized.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert len(weights) == 3
    for matrix in weights:
        assert np.abs(matrix.astype(int)).max() == 64
        largest = np.full((1, len(matrix)), 255, np.uint8)
        extremes = np.vstack([largest, np.where(matrix[:, 0] > 0, 255, 0)[None]]).astype(np.uint8)
        np.testing.assert_array_equal(multiply_saturating(extremes, matrix), extremes.astype(int) @ matrix.astype(int))
    eight_bits = np.full((2, 1), 127, np.int8)
    assert multiply_saturating(np.full((1, 2), 255, np.uint8), eight_bits) < 2 * 255 * 127
