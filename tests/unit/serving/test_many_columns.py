"""One row of 2,000 columns gets the same prediction by every protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import orjson
import polars as pl
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.evaluation.scoring import OnnxModel, feeds
from pipeline.evaluation.sessions import WideSession
from pipeline.graphs.encoding import CAT, NUM
from pipeline.graphs.served_graph import wrap
from pipeline.graphs.writer import GraphWriter
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import LoadedModel

NUMBERS, CATEGORIES = 1_900, 100


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    numbers = [ColumnProfile(name=f"x{index}", kind="numeric", missing=0, distinct=9) for index in range(NUMBERS)]
    categories = [
        ColumnProfile(name=f"kind {index}", kind="categorical", missing=0, distinct=2, vocabulary=("a", "b"))
        for index in range(CATEGORIES)
    ]
    return Dataset(
        task="classification", target="y", columns=(*numbers, *categories), classes=("no", "yes"),
        rows=SplitRows(train=9, validation=9, test=9), sha256="0" * 64,
    )  # fmt: skip


@pytest.fixture(scope="module")
def served(dataset: Dataset) -> bytes:
    """A linear model of all columns."""
    graph, random = GraphWriter(), np.random.default_rng(0)

    def weighted(name: str, width: int) -> str:
        return graph.add("MatMul", name, graph.constant(random.normal(size=(width, 2)).astype(np.float32) / 10))

    ids = graph.add("Cast", CAT, to=TensorProto.FLOAT)
    scores = graph.add("Add", weighted(NUM, NUMBERS), weighted(ids, CATEGORIES))
    inputs = {
        NUM: helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", NUMBERS]),
        CAT: helper.make_tensor_value_info(CAT, TensorProto.INT64, ["batch", CATEGORIES]),
    }
    output = graph.add("Softmax", scores, axis=1)
    body = graph.model(inputs, output, kind=TensorProto.FLOAT, shape=["batch", 2])
    content: bytes = wrap(body, dataset, dataset.signature).SerializeToString()
    return content


@pytest.fixture(scope="module")
def loaded(dataset: Dataset, served: bytes) -> LoadedModel:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = WideSession(served, options, providers=["CPUExecutionProvider"])
    return LoadedModel(tenant="t", model="m", version=1, signature=dataset.signature, session=session)


@pytest.fixture(scope="module")
def row(dataset: Dataset) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {column.name: float(random.normal()) if column.kind == "numeric" else "b" for column in dataset.columns}


def _tensors(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(cell, str) else "FP64", "data": [cell]}
        for name, cell in row.items()
    ]


def test_both_protocols_and_the_evaluation_give_the_same_probabilities(
    dataset: Dataset, served: bytes, loaded: LoadedModel, row: dict[str, Any]
) -> None:
    (by_rows,) = orjson.loads(infer_document(loaded, {"rows": [row]}).body)["predictions"]
    outputs = {
        output["name"]: output["data"]
        for output in orjson.loads(infer_document(loaded, {"inputs": _tensors(row)}).body)["outputs"]
    }
    by_tensors = dict(zip(("no", "yes"), outputs["probabilities"], strict=True))
    evaluated = OnnxModel(served).run(feeds(pl.DataFrame([row]), dataset.signature)).probabilities[0]
    assert by_rows["probabilities"] == pytest.approx(by_tensors, abs=1e-6)
    assert list(by_tensors.values()) == pytest.approx(evaluated.tolist(), abs=1e-6)
