"""A small served model of each task, like those that training exports: raw columns in, label or value out."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from pipeline.codec.pack import pack
from pipeline.contracts.records.model_version import ModelVersion
from pipeline.contracts.signature import Column, Signature
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import make_session_factory
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import artifact, model_version
from tests.fakes.table import FakeTable

__all__ = ["CLASSIFIER", "COLUMNS", "REGRESSOR", "ROWS", "direct", "loaded", "model_bytes", "publish"]

COLUMNS = (
    Column(name="age", kind="numeric"),
    Column(name="job", kind="categorical"),
    Column(name="hours per week", kind="numeric"),
    Column(name="member", kind="boolean"),
)
CLASSIFIER = Signature(task="classification", target="income", columns=COLUMNS, classes=("<=50K", ">50K", "?"))
REGRESSOR = Signature(task="regression", target="price", columns=COLUMNS)
ROWS: list[dict[str, Any]] = [
    {"age": 30, "job": "cook", "hours per week": 40.5, "member": True},
    {"age": None, "job": None, "hours per week": None, "member": None},
    {"age": -1e-3, "job": "juggler", "hours per week": 1e30, "member": False},
]
_JOBS = {"": 0.0, "cook": 1.0, "clerk": -1.0, "1": 2.0, "true": 3.0}
_UNKNOWN = 9.0


@cache
def model_bytes(signature: Signature) -> bytes:
    """Return an ONNX file whose outputs depend on every column, so that swapped or lost columns are noticed."""
    outputs = len(signature.classes) or 1
    nodes, inputs, wide = [], [], []
    for column in signature.columns:
        text = column.kind == "categorical"
        inputs.append(
            helper.make_tensor_value_info(column.name, TensorProto.STRING if text else TensorProto.FLOAT, ["n"])
        )
        nodes += _encode(column.name) if text else _impute(column.name)
        nodes.append(helper.make_node("Reshape", [f"{column.name}/number", "column"], [f"{column.name}/wide"]))
        wide.append(f"{column.name}/wide")
    nodes.append(helper.make_node("Concat", wide, ["features"], axis=1))
    nodes.append(helper.make_node("MatMul", ["features", "weights"], ["scores"]))
    weights = np.random.default_rng(0).normal(size=(len(wide), outputs)).astype(np.float32) / 100
    constants = {"weights": weights, "column": np.array([-1, 1]), "mean": np.array([37.0], np.float32)}
    if signature.classes:
        constants["classes"] = np.array(signature.classes, object)
        label, probabilities = signature.outputs
        nodes.append(helper.make_node("Softmax", ["scores"], [probabilities]))
        nodes.append(helper.make_node("ArgMax", [probabilities], ["best"], axis=1, keepdims=0))
        nodes.append(helper.make_node("Gather", ["classes", "best"], [label]))
        found = [
            helper.make_tensor_value_info(label, TensorProto.STRING, ["n"]),
            helper.make_tensor_value_info(probabilities, TensorProto.FLOAT, ["n", outputs]),
        ]
    else:
        constants["flat"] = np.array([-1])
        nodes.append(helper.make_node("Reshape", ["scores", "flat"], [signature.outputs[0]]))
        found = [helper.make_tensor_value_info(signature.outputs[0], TensorProto.FLOAT, ["n"])]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "served", inputs, found, initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()


def _encode(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node(
            "LabelEncoder",
            [name],
            [f"{name}/number"],
            domain="ai.onnx.ml",
            keys_strings=list(_JOBS),
            values_floats=list(_JOBS.values()),
            default_float=_UNKNOWN,
        )
    ]


def _impute(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("IsNaN", [name], [f"{name}/missing"]),
        helper.make_node("Where", [f"{name}/missing", "mean", name], [f"{name}/number"]),
    ]


def loaded(signature: Signature = CLASSIFIER) -> LoadedModel:
    session = make_session_factory(1)(model_bytes(signature))
    return LoadedModel(tenant="demo", model="adult", version=3, signature=signature, session=session)


def direct(signature: Signature, **columns: list[Any]) -> list[Any]:
    """Return the outputs of onnxruntime itself; ``columns`` are in the form of the file's inputs (NaN, '')."""
    feeds = {
        column.name: np.array(columns[column.name], object if column.kind == "categorical" else np.float32)
        for column in signature.columns
    }
    return list(onnxruntime.InferenceSession(model_bytes(signature)).run(None, feeds))


def publish(
    table: FakeTable,
    artifacts: FakeObjectStore,
    *,
    run: str = "demo_adult_000000000001",
    model: str = "adult",
    signature: Signature = CLASSIFIER,
    ready: bool = True,
    live: bool = True,
    packed: bool = False,
) -> ModelVersion:
    """Register a version for tenant demo, like the state machine, and return it."""
    body = pack(model_bytes(signature), []) if packed else model_bytes(signature)
    served = artifact(body=body)
    artifacts.put(served.key, body)
    artifacts.put("card.json", b'{"test_rows": 10}')
    registry = ModelRegistry(table, artifacts)
    draft = model_version(run, model).model_copy(update={"artifact": served, "signature": signature})
    version = registry.register(draft)
    if ready:
        version = registry.ready("demo", model, version.version)
    if live:
        registry.aliases.move(AliasRef("demo", model), version.version, by=run)
    return version
