"""The functions validate_dataset, plan_training and evaluate_model on moto."""

from __future__ import annotations

import io
import json

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper

from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.cloud.s3_object_store import S3ObjectStore
from pipeline.contracts.errors import InputError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.records.run import RunError, Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.smoke_test_version import SmokeTestVersion
from tests.fakes.function_calls import FakeFunctionCalls
from tests.fakes.records import NOW, artifact, selection, upload
from tests.helpers.function_files import event
from tests.helpers.handlers import handler
from tests.integration.conftest import ARTIFACTS, TABLE, UPLOADS

RUN = "demo_adult_0123456789ab"  # as in tests/events
KEYS = RunKeys(RUN)


@pytest.fixture
def artifacts(clients: Clients, account: dict[str, str]) -> S3ObjectStore:
    return S3ObjectStore(clients.s3, ARTIFACTS)


@pytest.fixture
def runs(clients: Clients, account: dict[str, str]) -> RunLog:
    runs = RunLog(DynamoTable(clients.dynamodb, TABLE))
    runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
    return runs


def drop(clients: Clients, artifacts: S3ObjectStore, body: bytes) -> None:
    """Put a file into the uploads bucket, and its upload record into the artifacts."""
    uploads = S3ObjectStore(clients.s3, UPLOADS)
    uploads.put(upload().key, body)
    info = uploads.head(upload().key)
    dropped = Upload(bucket=UPLOADS, key=info.key, version_id=info.version_id, bytes=info.bytes, etag=info.etag)
    artifacts.put(KEYS.upload, dropped.to_bytes())


def table_of(rows: int) -> bytes:
    rng = np.random.default_rng(0)
    age = rng.normal(40, 10, rows).round(3)
    frame = pl.DataFrame({"age": age, "job": rng.choice(["cook", "clerk"], rows), "income": age > 40})
    return frame.with_columns(pl.col("income").replace_strict({True: "high", False: "low"})).write_csv().encode()


def test_a_valid_file_is_validated_and_planned(clients: Clients, artifacts: S3ObjectStore, runs: RunLog) -> None:
    drop(clients, artifacts, table_of(400))
    assert handler("validate_dataset")(event("validate_dataset")) == {}
    dataset = Dataset.from_bytes(artifacts.get(KEYS.dataset))
    assert (dataset.target, dataset.classes) == ("income", ("high", "low"))
    jobs = handler("plan_training")(event("plan_training"))["jobs"]
    assert {"name": "cpu", "queue": "cpu", "nodes": 1} in jobs
    assert [job["name"] for job in jobs] == [job.name for job in Plan.from_bytes(artifacts.get(KEYS.plan)).jobs]
    assert [stage.status for stage in runs.get(RUN).stages[:3]] == ["SUCCEEDED", "SUCCEEDED", "RUNNING"]


def test_an_invalid_file_is_quarantined_and_refused(clients: Clients, artifacts: S3ObjectStore, runs: RunLog) -> None:
    drop(clients, artifacts, b"age,income\n")
    with pytest.raises(InputError) as raised:
        handler("validate_dataset")(event("validate_dataset"))
    report = json.loads(artifacts.get(KEYS.quarantine("report.json")))
    assert report["error"]["type"] == type(raised.value).__name__
    assert artifacts.get(KEYS.quarantine("train.csv")) == b"age,income\n"
    assert runs.get(RUN).stages[0].status == "RUNNING"


def doubling() -> bytes:
    """A regression model: twice the age."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["age", "age"], ["value"])],
        "doubling",
        [helper.make_tensor_value_info("age", TensorProto.FLOAT, ["batch"])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def compressed(artifacts: S3ObjectStore) -> None:
    """Write the documents of a run whose winner is selected."""
    model = doubling()
    artifacts.put(artifact(body=model).key, model)
    artifacts.put(KEYS.upload, upload().to_bytes())
    artifacts.put(KEYS.spec, JobSpec().to_bytes())
    dataset = Dataset(
        task="regression",
        target="twice",
        columns=(ColumnProfile(name="age", kind="numeric", missing=0, distinct=30),),
        rows=SplitRows(train=240, validation=30, test=30),
        sha256="d" * 64,
    )
    artifacts.put(KEYS.dataset, dataset.to_bytes())
    ages = np.arange(30, dtype=np.float32)
    split = io.BytesIO()
    pl.DataFrame({"age": ages, "twice": (ages * 2 + 1).astype(np.float64)}).write_parquet(split)
    for name in ("train", "validation", "test"):
        artifacts.put(KEYS.split(name), split.getvalue())
    chosen = selection(body=model).model_copy(update={"metric": "rmse"})
    artifacts.put(KEYS.selection, chosen.to_bytes())
    jobs = (TrainingJob(name="gpu", queue="gpu", candidates=("mlp",)),)
    planned = Plan(metric="rmse", candidates=(Candidate(name="mlp", algorithm="mlp"),), jobs=jobs)
    artifacts.put(KEYS.plan, planned.to_bytes())
    lost = RunError(type="CandidateFailedError", message="the loss is not finite")
    outcome = JobOutcome(
        job="gpu",
        status="SUCCEEDED",
        device="cpu, in place of a GPU",
        seconds=1.0,
        candidates=(CandidateOutcome(candidate="wide", status="failed", seconds=1.0, error=lost),),
    )
    artifacts.put(KEYS.outcome("gpu"), outcome.to_bytes())


def test_the_winner_is_evaluated_on_the_test_rows(artifacts: S3ObjectStore, runs: RunLog) -> None:
    compressed(artifacts)
    assert handler("evaluate_model")(event("evaluate_model")) == {}

    card = ModelCard.from_bytes(artifacts.get(KEYS.card))
    assert card.test_quality["rmse"] == pytest.approx(1.0)
    assert (card.model, card.test_rows) == ("adult", 30)
    assert card.devices == {"gpu": "cpu, in place of a GPU"}
    assert any("'wide'" in warning and "not finite" in warning for warning in card.warnings)
    golden = GoldenPredictions.from_bytes(artifacts.get(KEYS.golden))
    assert golden.rows[3] == {"age": 3.0}
    assert golden.predictions[3] == {"value": 6.0}


def test_an_evaluated_model_is_registered_smoke_tested_promoted_and_served(
    clients: Clients, artifacts: S3ObjectStore, runs: RunLog
) -> None:
    compressed(artifacts)
    handler("evaluate_model")(event("evaluate_model"))
    version = handler("register_model")(event("register_model"))["version"]
    predict = handler("predict")
    prediction_event = event(
        "predict", path="/v2/models/adult/infer", body=json.dumps({"rows": [{"age": 21}, {"age": 4.5}]})
    )
    assert predict(prediction_event)["statusCode"] == 404
    calls = FakeFunctionCalls(predict)
    table = DynamoTable(clients.dynamodb, TABLE)
    test = SmokeTestVersion(
        artifacts=artifacts,
        runs=runs,
        registry=ModelRegistry(table, artifacts),
        calls=calls,
        predict_function="predict",
    )
    test(RUN, version)
    assert handler("promote_model")(event("promote_model")) == {"status": "SUCCEEDED"}
    answer = predict(prediction_event)
    assert (answer["statusCode"], json.loads(answer["body"])) == (
        200,
        {"model": "adult", "version": 1, "predictions": [{"value": 42.0}, {"value": 9.0}]},
    )
    assert runs.get(RUN).version == 1
