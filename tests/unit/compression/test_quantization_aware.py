"""Quantization-aware training: the network computes in training what its integers will compute."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from pipeline.compression.fine_tuning.budget import Budget
from pipeline.compression.fine_tuning.fake_quantization import FakeQuantizedGraph
from pipeline.compression.fine_tuning.fit import FineTuningConfig
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.integer_layers import count_integer_layers
from pipeline.compression.passes.quantization.quantization_aware import QuantizationAwareTraining
from pipeline.compression.passes.quantization.static_int8 import StaticInt8
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.contracts.errors import NotApplicableError
from tests.helpers.trained_networks import Trained, trained, treeless_body

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def network() -> Trained:
    return trained("breast_cancer")


def rows_of(network: Trained) -> TrainingRows:
    return TrainingRows.encode(network.validation, network.dataset, network.dataset.signature)


def context_of(network: Trained, rows: TrainingRows) -> PassContext:
    return PassContext(read_rows=lambda: rows, teacher=network.body, budget=Budget.start(60.0))


def test_fake_quantization_predicts_like_static_int8(network: Trained) -> None:
    rows = rows_of(network)
    graph = FakeQuantizedGraph(network.body)
    with torch.no_grad():
        imitated = graph(rows.read(graph.inputs, slice(None))).numpy()
    static = predict(StaticInt8(context_of(network, rows))(network.body).model, rows)
    exact = predict(network.body, rows)
    assert np.abs(imitated - static).max() < 0.02
    assert np.abs(imitated - exact).max() > 1e-4


def test_weights_have_gradients_in_spite_of_the_rounding(network: Trained) -> None:
    rows = rows_of(network)
    graph = FakeQuantizedGraph(network.body)
    graph(rows.read(graph.inputs, slice(None)))[:, 0].sum().backward()
    assert all(bool(weights.grad.abs().sum() > 0) for weights in graph.named_weights().values() if weights.ndim == 2)


def test_quantization_aware_training_reduces_the_quantization_error(network: Trained) -> None:
    """One neuron of the first layer has a much wider range than the others, and the layer has one scale."""
    rows = rows_of(network)
    body = with_one_wide_neuron(network.body)
    learner = TrainingRows(inputs=rows.inputs, target=None, classes=2)
    context = PassContext(read_rows=lambda: learner, teacher=body, budget=Budget.start(60.0))
    config = FineTuningConfig(epochs=15, batch_size=16, learning_rate=3e-3)
    aware = QuantizationAwareTraining(context, config)(body).model
    static = StaticInt8(context)(body).model
    expected = predict(body, rows)
    assert count_integer_layers(onnx.load_from_string(aware)) == 3
    assert np.abs(predict(aware, rows) - expected).mean() < 0.8 * np.abs(predict(static, rows) - expected).mean()


def with_one_wide_neuron(body: bytes) -> bytes:
    """Scale the output of one neuron by 1000 and the weight that reads it by 1/1000."""
    graph = onnx.load_from_string(body)
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    for name, index, factor in (("w0", (slice(None), 0), 1000), ("w1", 0, 1000), ("w2", 0, 0.001)):
        values = numpy_helper.to_array(tensors[name]).copy()
        values[index] *= factor
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    return bytes(graph.SerializeToString())


def test_quantization_aware_training_needs_weight_matrices_and_rows(network: Trained) -> None:
    rows = rows_of(network)
    with pytest.raises(NotApplicableError, match="no MatMul"):
        QuantizationAwareTraining(context_of(network, rows))(bytes(treeless_body(3).SerializeToString()))
    with pytest.raises(NotApplicableError, match="32 training rows"):
        QuantizationAwareTraining(context_of(network, rows.take(np.arange(5))))(network.body)
