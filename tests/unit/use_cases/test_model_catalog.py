"""The models and versions that one tenant sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.signature import Signature
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.management.model_catalog import ModelCatalog
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, publish

RUNS = [f"demo_adult_{number:012d}" for number in range(3)]


@pytest.fixture
def catalog() -> ModelCatalog:
    """adult: version 1, then 2 that is live, then 3 that is not READY; price: a regression that is not live."""
    table, artifacts = FakeTable(), FakeObjectStore()
    publish(table, artifacts, run=RUNS[0])
    publish(table, artifacts, run=RUNS[1])
    publish(table, artifacts, run=RUNS[2], ready=False, live=False)
    publish(table, artifacts, run="demo_price_0", model="price", signature=REGRESSOR, live=False)
    return ModelCatalog(ModelRegistry(table, artifacts), artifacts, RunLog(table))


def test_the_metadata_of_a_model_follows_the_protocol(catalog: ModelCatalog) -> None:
    assert catalog.metadata("demo", "adult") == {
        "name": "adult",
        "versions": ["1", "2"],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": "age", "datatype": "FP32", "shape": [-1]},
            {"name": "job", "datatype": "BYTES", "shape": [-1]},
            {"name": "hours per week", "datatype": "FP32", "shape": [-1]},
            {"name": "member", "datatype": "BOOL", "shape": [-1]},
        ],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        ],
        "signature": CLASSIFIER.to_dict(),
    }


def test_the_metadata_of_a_model_has_its_signature(catalog: ModelCatalog) -> None:
    document = json.loads(json.dumps(catalog.metadata("demo", "adult")["signature"]))
    assert Signature.from_dict(document) == CLASSIFIER


def test_the_output_of_a_regression_is_one_number_per_row(catalog: ModelCatalog) -> None:
    document = catalog.metadata("demo", "price", "1")
    assert document["outputs"] == [{"name": "value", "datatype": "FP32", "shape": [-1]}]


def test_a_live_model_and_a_version_that_passed_are_ready(catalog: ModelCatalog) -> None:
    assert catalog.ready("demo", "adult") == {"name": "adult", "ready": True}
    assert catalog.ready("demo", "adult", "1")["ready"]
    with pytest.raises(ConflictError, match="version 3"):
        catalog.ready("demo", "adult", "3")


def test_only_the_models_of_the_tenant_are_listed(catalog: ModelCatalog) -> None:
    adult: dict[str, object] = {"task": CLASSIFIER.task, "tags": {}, "rollout": None}
    price = {**adult, "task": REGRESSOR.task}
    assert catalog.models("demo") == {
        "models": [
            {"model": "adult", "latest_version": 3, "live_version": 2, "aliases": {"live": 2}, **adult},
            {"model": "price", "latest_version": 1, "live_version": None, "aliases": {}, **price},
        ]
    }
    assert catalog.models("other") == {"models": []}


def test_versions_of_a_model_are_listed_with_status_and_quality(catalog: ModelCatalog) -> None:
    document = catalog.model("demo", "adult")
    assert (document["model"], document["live_version"]) == ("adult", 2)
    assert [(version["version"], version["status"]) for version in document["versions"]] == [
        (1, "READY"),
        (2, "READY"),
        (3, "REGISTERED"),
    ]
    assert document["versions"][0]["quality"] == {"accuracy": 0.88}


def test_a_version_is_shown_with_its_lineage_and_its_card(catalog: ModelCatalog) -> None:
    document = catalog.version("demo", "adult", "2")
    assert (document["version"], document["precision"], document["lineage"]["run"]) == (2, "int8", RUNS[1])
    assert document["card"] == {"test_rows": 10}


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.metadata("other", "adult"),
        lambda it: it.metadata("other", "adult", "1"),
        lambda it: it.metadata("demo", "price"),
        lambda it: it.metadata("demo", "adult", "latest"),
        lambda it: it.metadata("demo", "adult", "²"),
        lambda it: it.ready("demo", "adult", "9" * 400),
        lambda it: it.ready("other", "adult"),
        lambda it: it.model("other", "adult"),
        lambda it: it.model("demo", "titanic"),
        lambda it: it.version("other", "adult", "1"),
        lambda it: it.version("demo", "adult", "4"),
    ],
)
def test_a_model_or_version_that_the_tenant_lacks_is_not_found(
    catalog: ModelCatalog, ask: Callable[[ModelCatalog], Any]
) -> None:
    with pytest.raises(NotFoundError):
        ask(catalog)
