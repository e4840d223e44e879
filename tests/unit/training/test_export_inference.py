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
        answers: Tensor = self.layers(torch.cat([filled, self.embedding(cat[:, 0])], dim=1))
        return answers


class NumericScaler(nn.Module):
    """Its scale is no tensor of the module: the exporter makes it a constant of its own."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.last = nn.Linear(3, 2)

    def forward(self, num: Tensor) -> Tensor:
        answers: Tensor = self.last(num) * self.scale
        return answers


def _rows(seed: int) -> Rows:
    generator = np.random.default_rng(seed)
    num = generator.normal(seed, 1 + seed, (40, 3)).astype(np.float32)
    num[::7, 0] = np.nan
    return Rows(num=num, cat=generator.integers(0, 4, (40, 1)), target=np.zeros(40, np.int64))


def _answering(seed: int, build: Build, *inputs: str) -> tuple[InferenceModule, Rows]:
    torch.manual_seed(seed)
    rows = _rows(seed)
    return InferenceModule(build(rows).eval(), columns(*inputs), classes=2), rows


def _network(hidden: int) -> Build:
    """No two tests build the same: what a test exports is kept for the next."""
    return lambda rows: Plain(rows.num, hidden)


def _same_answers(answering: InferenceModule, rows: Rows) -> None:
    body = answering.to_onnx(rows)
    inputs = {"num": rows.num, "cat": rows.cat}
    read = {value.name: inputs[value.name] for value in body.graph.input}
    (answers,) = OnnxModel(body.SerializeToString()).run_raw(read)
    np.testing.assert_allclose(answers, answering.predict(rows), atol=1e-5)


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


def test_the_folds_of_a_network_are_exported_once_each_with_its_own_weights(exports: list[Any]) -> None:
    for seed in range(4):
        _same_answers(*_answering(seed, _network(8), "num", "cat"))
    assert len(exports) == 1


def test_a_network_that_writes_its_graph_is_not_exported(exports: list[Any]) -> None:
    _same_answers(
        *_answering(0, lambda rows: TabularMLP(rows.num, (4,), outputs=2, hidden=(8, 4), dropout=0.1), "num", "cat")
    )
    assert not exports


def test_a_layer_that_a_network_cannot_write_leaves_it_to_the_exporter(exports: list[Any]) -> None:
    def build(rows: Rows) -> nn.Module:
        network = TabularMLP(rows.num, (4,), outputs=2, hidden=(7,), dropout=0.1)
        network.layers[2] = nn.SiLU()
        return network

    _same_answers(*_answering(0, build, "num", "cat"))
    assert len(exports) == 1


def test_another_architecture_is_exported_itself(exports: list[Any]) -> None:
    _same_answers(*_answering(0, _network(9), "num", "cat"))
    _same_answers(*_answering(0, _network(16), "num", "cat"))
    assert len(exports) == 2


def test_a_network_that_differs_in_more_than_its_weights_is_exported_itself(exports: list[Any]) -> None:
    _same_answers(*_answering(0, lambda _: NumericScaler(1.0), "num"))
    _same_answers(*_answering(0, lambda _: NumericScaler(5.0), "num"))
    assert len(exports) == 2


def test_an_exported_network_holds_no_path_of_the_machine_that_trained_it() -> None:
    inference, rows = _answering(0, _network(11), "num", "cat")
    assert b".py" not in inference.to_onnx(rows).SerializeToString()
