"""End to end: a file is dropped by boto3, and the model is served over HTTP."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.codec.unpack import unpack
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.run import STAGES, Run
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, as_jsonl, breast_cancer, diabetes, wine, without

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def wines(cloud: Cloud) -> Run:
    run = cloud.drop("demo/wine/train.csv", as_csv(wine(), delimiter=";"), target="cultivar")
    return cloud.ended(run)


@pytest.fixture(scope="module")
def mlp(cloud: Cloud) -> Run:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/mlp/train.yaml", Body=b"algorithms: [mlp]\ntarget: diagnosis\n")
    return cloud.ended(cloud.drop("demo/mlp/rows.jsonl", as_jsonl(breast_cancer())))


def test_a_dropped_file_becomes_a_live_model_stage_by_stage(wines: Run) -> None:
    assert (wines.status, wines.error, wines.version) == ("SUCCEEDED", None, 1)
    assert [stage.name for stage in wines.stages] == list(STAGES)
    assert all(stage.status == "SUCCEEDED" and (stage.seconds or 0) > 0 for stage in wines.stages)


def test_rows_are_predicted_with_labels_and_probabilities(cloud: Cloud, wines: Run) -> None:
    rows = wine()
    response = cloud.post("/v2/models/wine/infer", {"rows": without(rows, "cultivar")})
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["model"], body["version"]) == ("wine", wines.version)
    right = [p["label"] == row["cultivar"] for p, row in zip(body["predictions"], rows, strict=True)]
    assert np.mean(right) > 0.9
    assert all(abs(sum(p["probabilities"].values()) - 1) < 1e-3 for p in body["predictions"])


def test_the_model_is_served_by_the_open_inference_protocol(cloud: Cloud, wines: Run) -> None:
    metadata = cloud.get("/v2/models/wine").json()
    rows = wine()[1:4]
    data = {column["name"]: [row[column["name"]] for row in rows] for column in metadata["inputs"]}
    inputs = [
        {"name": c["name"], "datatype": c["datatype"], "shape": [3, 1], "data": [[v] for v in data[c["name"]]]}
        for c in metadata["inputs"]
    ]
    response = cloud.post("/v2/models/wine/versions/1/infer", {"id": "a1", "inputs": inputs}).json()
    by_rows = cloud.post("/v2/models/wine/infer", {"rows": without(rows, "cultivar")}).json()
    outputs = {output["name"]: output for output in response["outputs"]}
    assert (response["model_name"], response["id"]) == ("wine", "a1")
    assert outputs["label"]["data"] == [p["label"] for p in by_rows["predictions"]]
    assert outputs["probabilities"]["shape"] == [3, 3]
    assert cloud.get("/v2/health/ready").json() == {"ready": True}


def test_wrong_columns_get_a_400_that_names_them(cloud: Cloud, wines: Run) -> None:
    row = without(wine()[:1], "cultivar")[0]
    row["alcohl"] = row.pop("alcohol")
    response = cloud.post("/v2/models/wine/infer", {"rows": [row]})
    assert response.status_code == 400
    assert "alcohol" in response.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/wine/infer", "/v2/models/none/infer"])
def test_a_model_of_another_tenant_is_not_found_and_an_invalid_key_is_refused(
    cloud: Cloud, wines: Run, path: str
) -> None:
    rows = {"rows": without(wine()[:1], "cultivar")}
    other = cloud.post(path, rows, key=cloud.key_of("other"))
    assert (other.status_code, list(other.json())) == (404, ["error"])
    for key in ("md_" + "x" * 43, ""):
        refused = cloud.post(path, rows, key=key)
        assert refused.status_code in (401, 403)
        assert list(refused.json()) == ["error"]


def test_int8_is_not_applicable_to_trees(cloud: Cloud, wines: Run) -> None:
    rows = [row["variant"] for row in cloud.document(wines.run, "selection")["leaderboard"]]
    trees = [v for v in rows if v["algorithm"] in ("random_forest", "gradient_boosting") and v["precision"] == "int8"]
    assert len(trees) == 2
    assert all(v["status"] == "not_applicable" and v["reason"] for v in trees)


def test_the_served_network_is_quantized(cloud: Cloud, mlp: Run) -> None:
    assert mlp.status == "SUCCEEDED", mlp.error
    selection = cloud.document(mlp.run, "selection")
    variants = {row["variant"]["precision"]: row["variant"] for row in selection["leaderboard"]}
    winner = selection["winner"]
    assert winner["precision"] == "int8"
    served = cloud.s3.get_object(Bucket=cloud.artifacts, Key=winner["artifact"]["key"])["Body"].read()
    graph = onnx.load_from_string(unpack(served)).graph
    assert {node.op_type for node in graph.node} & {"MatMulInteger", "QuantizeLinear"}
    assert any(tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1 for tensor in graph.initializer)
    assert len(served) < variants["fp32"]["artifact"]["bytes"]
    assert winner["agreement"] >= 0.97
    live = cloud.get("/registry/models/mlp/versions/1").json()
    assert live["artifact"]["sha256"] == winner["artifact"]["sha256"]
    assert live["precision"] == "int8"


def test_another_variant_is_accepted_without_training_and_its_golden_rows_are_verified(
    cloud: Cloud, home: Path, mlp: Run
) -> None:
    def modeldrop(*arguments: str) -> Any:
        called = CliRunner().invoke(app, ["--home", str(home), *arguments, "--json"])
        assert called.exit_code == 0, called.output
        return json.loads(called.stdout)

    accepted = modeldrop("accept", mlp.run, "mlp/fp32")
    assert (accepted["status"], accepted["version"]) == ("SUCCEEDED", 2)
    live = cloud.get("/registry/models/mlp").json()["live_version"]
    (winner,) = [variant for variant in modeldrop("variants", "mlp") if variant["winner"]]
    verified = modeldrop("verify", "mlp")
    assert (live, winner["name"]) == (2, "mlp/fp32")
    assert winner["latency_us"]["64"]["p50"] > winner["latency_us"]["1"]["p50"]
    assert verified["rows"] == verified["equal"] > 10


def test_the_card_names_the_device_of_each_job(cloud: Cloud, mlp: Run) -> None:
    devices = cloud.document(mlp.run, "card")["devices"]
    assert devices["cpu"] == "cpu"  # small data starts no GPU machine


def test_dropping_the_same_bytes_again_makes_version_2(cloud: Cloud) -> None:
    rows = diabetes()
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/diabetes/train.yaml", Body=b"algorithms: [linear]\n")
    first = cloud.ended(cloud.drop("demo/diabetes/rows.csv", as_csv(rows)))
    second = cloud.ended(cloud.drop("demo/diabetes/rows.csv", as_csv(rows)))
    assert (first.version, second.version) == (1, 2)
    response = cloud.post("/v2/models/diabetes/infer", {"rows": without(rows, "progression")}).json()
    error = np.array([p["value"] for p in response["predictions"]]) - [row["progression"] for row in rows]
    assert np.sqrt(np.mean(error**2)) < 65
    assert cloud.get("/registry/models/diabetes").json()["live_version"] == 2


def test_a_presigned_put_starts_a_run(cloud: Cloud) -> None:
    key = "demo/presigned/empty.csv"
    url = cloud.s3.generate_presigned_url("put_object", Params={"Bucket": cloud.uploads, "Key": key})
    assert httpx.put(url, content=b"a,b\n", verify=False).status_code == 200
    runs = [run for run in _listed(cloud, "presigned") if run.file == "empty.csv"]
    assert cloud.ended(runs[0].run).status == "FAILED"


def _listed(cloud: Cloud, model: str) -> list[Run]:
    for _ in range(600):
        if runs := [run for run in cloud.runs.list(limit=1000) if run.model == model]:
            return runs
        threading.Event().wait(0.1)
    raise AssertionError(f"no run of {model}")


def test_ten_copies_of_one_event_start_one_run(cloud: Cloud) -> None:
    run = cloud.drop("demo/copies/rows.csv", as_csv(wine()))
    version = cloud.s3.head_object(Bucket=cloud.uploads, Key="demo/copies/rows.csv")["VersionId"]
    event = _event(cloud, "demo/copies/rows.csv", version)
    threads = [
        threading.Thread(
            target=cloud.sqs.send_message, kwargs={"QueueUrl": cloud.queue, "MessageBody": json.dumps(event)}
        )
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cloud.ended(run).version == 1
    assert [listed.run for listed in _listed(cloud, "copies")] == [run]
    assert len(cloud.get("/registry/models/copies").json()["versions"]) == 1


def _event(cloud: Cloud, key: str, version: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-11-23T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{cloud.uploads}"],
        "detail": {
            "version": "0",
            "bucket": {"name": cloud.uploads},
            "object": {"key": key, "size": 1, "etag": "x", "version-id": version, "sequencer": "0"},
            "request-id": "x",
            "requester": "x",
            "reason": "PutObject",
        },
    }


def test_a_run_whose_execution_is_stopped_fails(cloud: Cloud) -> None:
    run = cloud.drop("demo/aborted/rows.csv", as_csv(breast_cancer()))
    cloud.until(run, lambda current: current.stages[1].status == "SUCCEEDED")
    cloud.sfn.stop_execution(
        executionArn=cloud.state_machine.replace(":stateMachine:", ":execution:") + f":{run}",
        error="Stopped",
        cause="by hand",
    )
    ended = cloud.ended(run, 60)
    assert ended.status == "FAILED"
    assert ended.error is not None
    assert ended.error.type == "ExecutionEndedError"


def test_an_export_with_a_wrong_weight_fails_the_run(cloud: Cloud) -> None:
    # A search makes the plan too large for one job: compression is another.
    spec = b"algorithms: [mlp]\nsearch: {method: random, trials: 100}\nlimits: {minutes: 0.1}\n"
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/corrupt/train.yaml", Body=spec)
    run = cloud.drop("demo/corrupt/rows.csv", as_csv(breast_cancer()))
    keys = RunKeys(run)
    corrupted = threading.Event()

    def corrupt() -> None:
        """Change the exported model between training and compression, as a faulty exporter would write it."""
        while not corrupted.wait(0.02):
            objects = cloud.s3.list_objects_v2(Bucket=cloud.artifacts, Prefix=f"{keys.root}/candidates/").get(
                "Contents", []
            )
            for key in (item["Key"] for item in objects if item["Key"].endswith("/trained.json")):
                _corrupt_candidate(cloud, key)
                corrupted.set()

    thread = threading.Thread(target=corrupt)
    thread.start()
    ended = cloud.ended(run)
    corrupted.set()
    thread.join()
    assert ended.status == "FAILED"
    assert ended.error is not None
    assert ended.error.type == "ExportMismatchError"


def _corrupt_candidate(cloud: Cloud, trained_key: str) -> None:
    import hashlib

    model_key = trained_key.replace("trained.json", "model.onnx")
    model = onnx.load_from_string(cloud.s3.get_object(Bucket=cloud.artifacts, Key=model_key)["Body"].read())
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = onnx.numpy_helper.to_array(weights).copy()
    values.flat[0] += 25
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    body = model.SerializeToString()
    onnxruntime.InferenceSession(body)  # it still runs: only its predictions are wrong
    trained = json.loads(cloud.s3.get_object(Bucket=cloud.artifacts, Key=trained_key)["Body"].read())
    trained["model_sha256"] = hashlib.sha256(body).hexdigest()
    cloud.s3.put_object(Bucket=cloud.artifacts, Key=model_key, Body=body)
    cloud.s3.put_object(Bucket=cloud.artifacts, Key=trained_key, Body=json.dumps(trained).encode())
