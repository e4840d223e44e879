"""Compressed models can be exported as C and predict the same there as in onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from pipeline.compression.passes.graph_pass import GraphPass
from pipeline.compression.passes.pass_context import PassContext
from pipeline.compression.passes.quantization.dynamic_int8 import DynamicInt8
from pipeline.compression.passes.quantization.static_int8 import StaticInt8
from pipeline.compression.passes.weights.round_weights import RoundWeights
from pipeline.compression.training_rows import TrainingRows, predict
from pipeline.exporting.c_source.run import find_compiler, run_compiled
from pipeline.exporting.c_source.source import translate
from tests.helpers.trained_networks import trained

COMPILER = find_compiler()
MAKERS: dict[str, Callable[[PassContext], GraphPass]] = {
    "static_int8": StaticInt8,
    "dynamic_int8": lambda context: DynamicInt8(),
    "bf16": lambda context: RoundWeights("bf16"),
}


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")
@pytest.mark.parametrize("name", MAKERS)
def test_a_compressed_network_predicts_the_same_in_c(name: str) -> None:
    network = trained("breast_cancer")
    rows = TrainingRows.encode(network.validation, network.dataset, network.dataset.signature)
    context = PassContext(read_rows=lambda: rows, teacher=network.body)
    model = onnx.load_from_string(MAKERS[name](context)(network.body).model)
    few = rows.take(np.arange(10))
    assert COMPILER is not None
    (computed,) = run_compiled(translate(model, "model"), few.read(["num"], slice(None)), COMPILER)
    expected = predict(model.SerializeToString(), few)
    np.testing.assert_allclose(computed.reshape(expected.shape), expected, atol=0.02)
