"""Versions with the most columns and the longest classes are registered, described and served."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.cloud.attributes import MAX_ITEM_BYTES, item_bytes
from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.contracts.errors import IntegrityError, ItemTooLargeError
from pipeline.contracts.ports import PutRequest, Table
from pipeline.contracts.records.model_version import ModelVersion
from pipeline.contracts.signature import Column, Signature
from pipeline.contracts.table_keys import version_key
from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import MAX_RECORD_BYTES, ModelRegistry
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.model_loader import ModelLoader, make_session_factory
from pipeline.use_cases.management.model_catalog import ModelCatalog
from pipeline.validation.limits import MAX_CLASSES, MAX_COLUMNS
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import artifact, model_version
from tests.fakes.table import FakeTable
from tests.integration.conftest import TABLE

MAX_RESPONSE_BYTES = 6 << 20  # of a Lambda function
WIDE = tuple(Column(name=f"{number:05d}".ljust(150, "c"), kind="numeric") for number in range(MAX_COLUMNS))
NARROW = (Column(name="age", kind="numeric"), Column(name="day", kind="datetime", day_first=True))
CLASSES = tuple(f"{number:04d}".ljust(400, "k") for number in range(MAX_CLASSES))
SIGNATURES = {
    "columns": Signature(task="classification", target="t", columns=WIDE, classes=("no", "yes")),
    "classes": Signature(task="classification", target="t", columns=NARROW, classes=CLASSES),
    "both": Signature(task="classification", target="t", columns=WIDE, classes=CLASSES),
}


@pytest.fixture(params=["dynamodb", "fake"])
def table(request: pytest.FixtureRequest, clients: Clients, tables: None) -> Table:
    return FakeTable() if request.param == "fake" else DynamoTable(clients.dynamodb, TABLE)


def served_file(signature: Signature) -> bytes:
    """Make a model file that takes all columns and uses the first one."""
    kinds = {"numeric": TensorProto.FLOAT, "datetime": TensorProto.DOUBLE}
    inputs = [helper.make_tensor_value_info(c.name, kinds[c.kind], ["n"]) for c in signature.columns]
    label, probabilities = signature.outputs
    count = len(signature.classes)
    nodes = [
        helper.make_node("Reshape", [signature.columns[0].name, "shape"], ["wide"]),
        helper.make_node("MatMul", ["wide", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], [probabilities]),
        helper.make_node("ArgMax", [probabilities], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "best"], [label]),
    ]
    constants = {
        "shape": np.array([-1, 1]),
        "weights": np.linspace(0, 1, count, dtype=np.float32)[None],
        "classes": np.array(signature.classes, object),
    }
    outputs = [
        helper.make_tensor_value_info(label, TensorProto.STRING, ["n"]),
        helper.make_tensor_value_info(probabilities, TensorProto.FLOAT, ["n", count]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "served", inputs, outputs, initializers)
    model: onnx.ModelProto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    return model.SerializeToString()


def publish(table: Table, artifacts: FakeObjectStore, signature: Signature) -> ModelVersion:
    """Register a version, make it ready and promote it, as the functions of the state machine do."""
    file = served_file(signature)
    artifacts.put(artifact(body=file).key, file)
    artifacts.put("card.json", b'{"test_rows": 10}')
    registry = ModelRegistry(table, artifacts)
    version = registry.register(
        model_version().model_copy(update={"artifact": artifact(body=file), "signature": signature})
    )
    registry.ready("demo", "adult", version.version)
    registry.aliases.move_to_newer(AliasRef("demo", "adult"), version.version, run=version.lineage.run)
    return version


@pytest.mark.parametrize("which", SIGNATURES)
def test_a_wide_version_is_stored_in_a_small_item_described_and_served(table: Table, which: str) -> None:
    signature, artifacts = SIGNATURES[which], FakeObjectStore("artifacts")
    version = publish(table, artifacts, signature)
    item = table.get(*version_key("demo", "adult", 1))
    assert item is not None
    assert item_bytes(item) < MAX_RECORD_BYTES
    assert version.signature == ModelRegistry(table, artifacts).live("demo", "adult").signature == signature
    loaded = ModelLoader(table, artifacts, make_session_factory(1)).load("demo", "adult", 1)
    assert loaded.signature == signature
    answer = infer_document(
        loaded,
        {
            "rows": [
                {column.name: None for column in signature.columns} | {NARROW[0].name: 1.0}
                if which == "classes"
                else {column.name: 1.0 for column in signature.columns}
            ]
        },
    )
    (prediction,) = json.loads(answer.body)["predictions"]
    assert prediction["label"] == signature.classes[-1]
    assert len(answer.body) < MAX_RESPONSE_BYTES
    catalog = ModelCatalog(ModelRegistry(table, artifacts), artifacts, RunLog(table))
    for document in (catalog.metadata("demo", "adult"), catalog.version("demo", "adult", "1")):
        assert len(json.dumps(json.dumps(document))) < MAX_RESPONSE_BYTES
        assert Signature.from_dict(document["signature"]) == signature


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_missing_or_changed_signature_file_is_refused(damage: str) -> None:
    table, artifacts = FakeTable(), FakeObjectStore("artifacts")
    publish(table, artifacts, SIGNATURES["columns"])
    file = ModelRegistry(table, artifacts).versions.record("demo", "adult", 1).signature_file
    assert file is not None
    artifacts.delete(file.key)
    if damage == "changed":
        artifacts.put(file.key, b"{}")
    with pytest.raises(IntegrityError, match=file.sha256):
        ModelRegistry(table, artifacts).get("demo", "adult", 1)
    with pytest.raises(IntegrityError, match=file.sha256):
        ModelLoader(table, artifacts, make_session_factory(1)).load("demo", "adult", 1)


def test_versions_are_listed_without_reading_signature_files() -> None:
    table, artifacts = FakeTable(), FakeObjectStore("artifacts")
    publish(table, artifacts, SIGNATURES["columns"])
    artifacts.clear()
    (record,) = ModelRegistry(table, artifacts).versions.list("demo", "adult")
    assert (record.version, record.signature) == (1, None)


def test_a_small_signature_is_stored_in_the_record(table: Table) -> None:
    artifacts = FakeObjectStore("artifacts")
    publish(table, artifacts, replace(SIGNATURES["classes"], classes=("no", "yes")))
    record = ModelRegistry(table, artifacts).versions.record("demo", "adult", 1)
    assert record.signature is not None
    assert record.signature_file is None


def test_an_item_above_the_dynamodb_limit_raises_item_too_large(table: Table) -> None:
    table.put({"pk": "a", "sk": "b", "text": ""})
    long = "x" * MAX_ITEM_BYTES
    for write in (
        lambda: table.put({"pk": "a", "sk": "c", "text": long}),
        lambda: table.put_if_absent({"pk": "a", "sk": "c", "text": long}),
        lambda: table.write_all([PutRequest(item={"pk": "a", "sk": "c", "text": long})]),
        lambda: table.update("a", "b", {"text": long}),
    ):
        with pytest.raises(ItemTooLargeError):
            write()
    assert table.get("a", "c") is None
