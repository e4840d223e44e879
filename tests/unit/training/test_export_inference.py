"""Networks of one architecture are exported once; each graph has its own network's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.evaluation.scoring import OnnxModel
from pipeline.training.algorithm import Rows
from pipeline.training.loop.inference import InferenceModule
from pipeline.training.loop.inputs import columns
from pipeline.training.networks.tabular_mlp import TabularMLP

Build = Callable[[Rows], nn.Module]


class Plain(nn.Module):
    """A network that does not write its graph: ``forward(num, cat)`` -> [batch, 2]."""

    def __init__(self, num: np.ndarray, hidden: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.from_numpy(np.nanmedian(num, axis=0)))
        self.embedding = nn.Embedding(4, 2)
        self.layers = nn.Sequential(nn.Linear(num.shape[1] + 2, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        filled = torch.where(torch.isnan(num), self.middle, num)
        predictions: Tensor = self.layers(torch.cat([filled, self.embedding(cat[:, 0])], dim=1))
        return predictions


class NumericScaler(nn.Module):
    """A network whose scale is not a tensor of the module: the exporter makes the scale a constant."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.last = nn.Linear(3, 2)

    def forward(self, num: Tensor) -> Tensor:
        predictions: Tensor = self.last(num) * self.scale
        return predictions


def _rows(seed: int) -> Rows:
    generator = np.random.default_rng(seed)
    num = generator.normal(seed, 1 + seed, (40, 3)).astype(np.float32)
    num[::7, 0] = np.nan
    return Rows(num=num, cat=generator.integers(0, 4, (40, 1)), target=np.zeros(40, np.int64))


def _inference(seed: int, build: Build, *inputs: str) -> tuple[InferenceModule, Rows]:
    torch.manual_seed(seed)
    rows = _rows(seed)
    return InferenceModule(build(rows).eval(), columns(*inputs), classes=2), rows


def _network(hidden: int) -> Build:
    """Return a builder. Each test uses another width, because exports are cached between tests."""
    return lambda rows: Plain(rows.num, hidden)


def _assert_same_predictions(inference: InferenceModule, rows: Rows) -> None:
    body = inference.to_onnx(rows)
    inputs = {"num": rows.num, "cat": rows.cat}
    read = {value.name: inputs[value.name] for value in body.graph.input}
    (predictions,) = OnnxModel(body.SerializeToString()).run_raw(read)
    np.testing.assert_allclose(predictions, inference.predict(rows), atol=1e-5)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The networks that torch exported."""
    exported: list[Any] = []
    export = torch.onnx.export

    def counting(network: Any, *arguments: Any, **options: Any) -> Any:
        exported.append(network)
        return export(network, *arguments, **options)

    monkeypatch.setattr(torch.onnx, "export", counting)
    return exported


def test_the_folds_of_a_network_share_one_export_and_keep_their_weights(exports: list[Any]) -> None:
    for seed in range(4):
        _assert_same_predictions(*_inference(seed, _network(8), "num", "cat"))
    assert len(exports) == 1


def test_a_network_that_writes_its_graph_is_not_exported_by_torch(exports: list[Any]) -> None:
    _assert_same_predictions(
        *_inference(0, lambda rows: TabularMLP(rows.num, (4,), outputs=2, hidden=(8, 4), dropout=0.1), "num", "cat")
    )
    assert not exports


def test_a_network_with_a_layer_that_it_cannot_write_is_exported_by_torch(exports: list[Any]) -> None:
    def build(rows: Rows) -> nn.Module:
        network = TabularMLP(rows.num, (4,), outputs=2, hidden=(7,), dropout=0.1)
        network.layers[2] = nn.SiLU()
        return network

    _assert_same_predictions(*_inference(0, build, "num", "cat"))
    assert len(exports) == 1


def test_another_architecture_is_exported_separately(exports: list[Any]) -> None:
    _assert_same_predictions(*_inference(0, _network(9), "num", "cat"))
    _assert_same_predictions(*_inference(0, _network(16), "num", "cat"))
    assert len(exports) == 2


def test_a_network_with_other_constants_is_exported_separately(exports: list[Any]) -> None:
    _assert_same_predictions(*_inference(0, lambda _: NumericScaler(1.0), "num"))
    _assert_same_predictions(*_inference(0, lambda _: NumericScaler(5.0), "num"))
    assert len(exports) == 2


def test_an_exported_network_has_no_path_of_the_training_machine() -> None:
    inference, rows = _inference(0, _network(11), "num", "cat")
    assert b".py" not in inference.to_onnx(rows).SerializeToString()
