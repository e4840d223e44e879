"""Dynamic int8 quantization of a body."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from pipeline.compression.passes.quantization.block_weights import BlockWeights
from pipeline.compression.passes.quantization.dynamic_int8 import (
    DYNAMIC_CONFIGS,
    INTEGER_OPERATORS,
    DynamicInt8,
    DynamicInt8Config,
)
from pipeline.contracts.errors import NotApplicableError
from pipeline.graphs.compose import make_model
from pipeline.graphs.encoding import CAT, NUM
from tests.helpers.trained_networks import embedding_body, trained, treeless_body


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


def run_model(model: bytes, **feeds: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def test_matrix_weights_become_integers_and_the_predictions_stay_close() -> None:
    body = trained("wine").body
    result = DynamicInt8(DynamicInt8Config())(body)
    assert operators(result.model).count("MatMulInteger") == 3
    assert len(result.model) < len(body)
    rows = np.array([[13, 2, 2.4, 20, 100, 2, 2, 0.3, 1.5, 5, 1, 2.6, 700]], np.float32)
    np.testing.assert_allclose(run_model(result.model, **{NUM: rows}), run_model(body, **{NUM: rows}), atol=0.05)


def test_weights_have_seven_bits_to_avoid_overflow_on_any_cpu() -> None:
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(
            DynamicInt8(DynamicInt8Config())(trained("wine").body).model
        ).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert len(weights) == 3
    assert all(np.abs(weight.astype(int)).max() <= 64 for weight in weights)


def test_embeddings_are_quantized_to_one_byte_per_value() -> None:
    body = embedding_body(cardinality=500, width=16, hidden=256).SerializeToString()
    quantized = DynamicInt8(DynamicInt8Config())(body).model
    exact = DynamicInt8(DynamicInt8Config(embeddings=False))(body).model
    assert len(body) - len(exact) > 256 * 16 * 2
    assert len(exact) - len(quantized) > 500 * 16 * 2
    rows = {CAT: np.arange(500, dtype=np.int64)[:, None]}
    agreed = run_model(quantized, **rows).argmax(axis=1) == run_model(body, **rows).argmax(axis=1)
    assert agreed.mean() > 0.97


@pytest.mark.parametrize(
    ("recipe", "integer"),
    [(DynamicInt8Config(exact_first=True), 2), (DynamicInt8Config(exact_first=True, exact_last=True), 1)],
)
def test_a_config_keeps_its_exact_layers_in_float(recipe: DynamicInt8Config, integer: int) -> None:
    operator_types = operators(DynamicInt8(recipe)(trained("wine").body).model)
    assert (operator_types.count("MatMulInteger"), operator_types.count("MatMul")) == (integer, 3 - integer)


def test_the_last_config_has_the_smallest_error() -> None:
    network = trained("breast_cancer")
    rows = {NUM: network.validation.drop("target").to_numpy().astype(np.float32)}
    wanted = run_model(network.body, **rows)
    errors = [
        np.abs(run_model(DynamicInt8(recipe)(network.body).model, **rows) - wanted).mean() for recipe in DYNAMIC_CONFIGS
    ]
    assert min(errors) == errors[-1]
    assert max(errors) < 0.005


def test_the_prediction_of_a_row_does_not_depend_on_other_rows() -> None:
    network = trained("breast_cancer")
    rows = np.resize(network.validation.drop("target").to_numpy().astype(np.float32), (64, 30))
    rows[1:] *= 100  # a scale for the whole batch would leave the first row few of its 256 values
    for model in (DynamicInt8()(network.body).model, BlockWeights(8)(network.body).model):
        batched = run_model(model, **{NUM: rows})
        single = np.concatenate([run_model(model, **{NUM: row[None]}) for row in rows])
        np.testing.assert_allclose(single, batched, atol=1e-6)


def test_a_graph_without_weight_matrices_is_not_applicable() -> None:
    with pytest.raises(NotApplicableError, match="no MatMul or Gemm"):
        DynamicInt8(DynamicInt8Config())(treeless_body(3).SerializeToString())


def test_a_config_that_quantizes_no_layer_is_not_applicable() -> None:
    body = trained("wine", hidden=(8,)).body
    with pytest.raises(NotApplicableError):
        DynamicInt8(DynamicInt8Config(exact_first=True, exact_last=True))(body)


def test_a_quantized_model_has_integer_operators() -> None:
    assert INTEGER_OPERATORS & set(operators(DynamicInt8(DYNAMIC_CONFIGS[0])(trained("wine").body).model))


def test_redundant_shapes_and_domains_of_exporters_do_not_matter() -> None:
    body = onnx.load_from_string(trained("wine").body)
    body.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    for tensor in body.graph.initializer:
        shape = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        body.graph.value_info.append(shape)
    for node in (node for node in body.graph.node if node.op_type == "Gemm"):
        (weights,) = (tensor for tensor in body.graph.initializer if tensor.name == node.input[1])
        (shape,) = (value for value in body.graph.value_info if value.name == node.input[1])
        transposed = np.ascontiguousarray(onnx.numpy_helper.to_array(weights).T)
        weights.CopyFrom(onnx.numpy_helper.from_array(transposed, weights.name))
        shape.CopyFrom(onnx.helper.make_tensor_value_info(weights.name, weights.data_type, weights.dims))
        node.attribute.append(onnx.helper.make_attribute("transB", 1))
    quantized = DynamicInt8(DynamicInt8Config())(body.SerializeToString()).model
    assert operators(quantized).count("MatMulInteger") == 3


@pytest.mark.parametrize("recipe", DYNAMIC_CONFIGS)
def test_a_stack_of_matrices_runs_with_every_config(recipe: DynamicInt8Config) -> None:
    """TabM has one matrix for each member."""
    random = np.random.default_rng(0)
    parts = {"first": (4, 16), "middle": (16, 16), "stack": (3, 16, 16), "last": (16, 2)}
    weights = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name) for name, shape in parts.items()
    ]
    chain = [NUM, *(f"after_{name}" for name in parts)]
    nodes = [
        helper.make_node("MatMul", [chain[index], name], [chain[index + 1]], name=name)
        for index, name in enumerate(parts)
    ]
    graph_input = helper.make_tensor_value_info(NUM, onnx.TensorProto.FLOAT, ["batch", 4])
    output = helper.make_tensor_value_info(chain[-1], onnx.TensorProto.FLOAT, [3, "batch", 2])
    body = make_model("stacked", nodes, [graph_input], [output], weights).SerializeToString()
    rows = {NUM: random.normal(size=(5, 4)).astype(np.float32)}
    exact = run_model(body, **rows)
    result = run_model(DynamicInt8(recipe)(body).model, **rows)
    np.testing.assert_allclose(result, exact, atol=0.1 * np.abs(exact).max())
