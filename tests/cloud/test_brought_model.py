"""An .onnx file that was trained elsewhere, from the drop to its predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from modeldrop import Client
from tests.fakes.onnx_graphs import constant, graph, layer, matrix
from tests.helpers.cloud_driver import Cloud

pytestmark = pytest.mark.cloud


def test_an_onnx_file_dropped_by_key_is_served(cloud: Cloud, tmp_path: Path) -> None:
    """The model is y = softmax(x @ w), and the third class of the row is the most probable one."""
    nodes = [layer("x", "logits"), helper.make_node("Softmax", ["logits"], ["y"])]
    model = graph(nodes, [matrix("x", 2)], [matrix("y", 3)], [constant("w", np.array([[0, 1, 2], [0, 1, 3]]))])
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with Client(cloud.api_url, cloud.key_of("demo", "publisher")) as api:
        run = cloud.ended(api.drop(tmp_path / "model.onnx", model="brought"))
        assert run.status == "SUCCEEDED", run.error
        (prediction,) = api.infer("brought", [{"x_0": 1, "x_1": 2}])["predictions"]
    assert prediction["label"] == "2"
    assert prediction["probabilities"]["2"] == pytest.approx(1 / (1 + np.exp(-5) + np.exp(-8)), abs=1e-5)
