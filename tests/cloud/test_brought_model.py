"""An .onnx file that was trained elsewhere, from the drop to its predictions."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from onnx import helper

from tests.fakes.onnx_graphs import constant, graph, layer, matrix
from tests.helpers.cloud_driver import Cloud

pytestmark = pytest.mark.cloud


def test_a_dropped_model_is_served(cloud: Cloud) -> None:
    """y = softmax(x @ w); the row is surest of the third class."""
    nodes = [layer("x", "logits"), helper.make_node("Softmax", ["logits"], ["y"])]
    model = graph(nodes, [matrix("x", 2)], [matrix("y", 3)], [constant("w", np.array([[0, 1, 2], [0, 1, 3]]))])
    run = cloud.drop_and_end("demo/brought/model.onnx", model.SerializeToString())
    assert run.status == "SUCCEEDED", run.error
    answer = httpx.post(
        f"{cloud.api_url}/v2/models/brought/infer",
        json={"rows": [{"x_0": 1, "x_1": 2}]},
        headers={"x-api-key": cloud.key},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    assert prediction["label"] == "2"
    assert prediction["probabilities"]["2"] == pytest.approx(1 / (1 + np.exp(-5) + np.exp(-8)), abs=1e-5)
