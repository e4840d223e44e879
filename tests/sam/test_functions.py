"""`sam local invoke` of each function with its event of tests/events; the response and its effect are checked."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from pipeline.contracts.object_keys import RunKeys, run_name
from pipeline.contracts.records.run import Run
from tests.helpers.function_files import event
from tests.helpers.real_data import as_csv, wine, without
from tests.helpers.sam_cli import Sam

ROWS = without(wine()[1:4], "cultivar")


@pytest.fixture(scope="module")
def run(sam: Sam) -> Run:
    """A run that `sam local invoke StartRunFunction` started, while the start_run of the cloud is disabled."""
    cloud, functions = sam.cloud, sam.cloud.session.client("lambda")
    (mapping,) = functions.list_event_source_mappings(EventSourceArn=_queue_arn(sam))["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/wine/train.yaml", Body=b"algorithms: [linear]\n")
    key = "demo/wine/train set.csv"
    version = cloud.s3.put_object(Bucket=cloud.uploads, Key=key, Body=as_csv(wine()), Metadata={"target": "cultivar"})[
        "VersionId"
    ]
    response = sam.invoke(
        "StartRunFunction", _dropped(event("start_run"), cloud.uploads, "demo/wine/train+set.csv", version)
    )
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert response == {"batchItemFailures": []}
    return cloud.ended(run_name("demo", "wine", cloud.uploads, key, version))


def _queue_arn(sam: Sam) -> str:
    attributes = sam.cloud.sqs.get_queue_attributes(QueueUrl=sam.cloud.queue, AttributeNames=["QueueArn"])
    return str(attributes["Attributes"]["QueueArn"])


def _dropped(document: dict[str, Any], bucket: str, key: str, version: str) -> dict[str, Any]:
    body = json.loads(document["Records"][0]["body"])
    body["detail"]["bucket"]["name"] = bucket
    body["detail"]["object"] |= {"key": key, "version-id": version}
    document["Records"][0]["body"] = json.dumps(body)
    return document


def _forget(sam: Sam, key: str) -> None:
    """Delete a document, so that a later one was written by the invocation."""
    versions = sam.cloud.s3.list_object_versions(Bucket=sam.cloud.artifacts, Prefix=key)["Versions"]
    for version in versions:
        sam.cloud.s3.delete_object(Bucket=sam.cloud.artifacts, Key=key, VersionId=version["VersionId"])
    with pytest.raises(ClientError):
        sam.cloud.s3.head_object(Bucket=sam.cloud.artifacts, Key=key)


def test_start_run_starts_a_run_that_becomes_a_model(run: Run) -> None:
    assert (run.status, run.version, run.error) == ("SUCCEEDED", 1, None)


def test_validate_dataset_writes_the_dataset(sam: Sam, run: Run) -> None:
    _forget(sam, RunKeys(run.run).dataset)
    assert sam.invoke("ValidateDatasetFunction", event("validate_dataset", run=run.run)) == {}
    assert sum(sam.cloud.document(run.run, "dataset")["rows"].values()) == len(wine())


def test_plan_training_returns_the_jobs(sam: Sam, run: Run) -> None:
    response = sam.invoke("PlanTrainingFunction", event("plan_training", run=run.run))
    assert response == {"jobs": [{"name": "cpu", "queue": "cpu", "nodes": 1}], "one_job": True, "ensemble": False}


def test_collect_job_accepts_a_stage_with_a_trained_candidate(sam: Sam, run: Run) -> None:
    assert sam.invoke("CollectJobFunction", event("collect_job", run=run.run)) == {}


def test_collect_job_raises_job_crashed_error(sam: Sam, run: Run) -> None:
    response = sam.invoke("CollectJobFunction", event("collect_job_failed", run=run.run))
    assert response["errorType"] == "JobCrashedError"
    assert "exit code 137" in response["errorMessage"]


def test_select_variant_writes_the_leaderboard(sam: Sam, run: Run) -> None:
    _forget(sam, RunKeys(run.run).selection)
    assert sam.invoke("SelectVariantFunction", event("select_variant", run=run.run)) == {}
    assert sam.cloud.document(run.run, "selection")["winner"]["algorithm"] == "linear"


def test_evaluate_model_writes_the_card_and_the_golden_rows(sam: Sam, run: Run) -> None:
    keys = RunKeys(run.run)
    _forget(sam, keys.card)
    _forget(sam, keys.golden)
    assert sam.invoke("EvaluateModelFunction", event("evaluate_model", run=run.run)) == {}
    assert sam.cloud.document(run.run, "card")["model"] == "wine"
    assert sam.cloud.document(run.run, "golden")["rows"]


def test_register_model_returns_the_version_of_the_run(sam: Sam, run: Run) -> None:
    assert sam.invoke("RegisterModelFunction", event("register_model", run=run.run)) == {"version": 1}


def test_smoke_test_passes_with_the_real_predict_function(sam: Sam, run: Run) -> None:
    assert sam.invoke("SmokeTestFunction", event("smoke_test", run=run.run)) == {}


def test_promote_model_returns_the_status_of_the_run(sam: Sam, run: Run) -> None:
    response = sam.invoke("PromoteModelFunction", event("promote_model", run=run.run))
    assert response == {"status": "SUCCEEDED"}


def test_record_failure_ends_the_run_with_its_error(sam: Sam, run: Run) -> None:
    sam.cloud.runs.create(name := "demo_failing_0123456789ab", **_entry(run))
    sam.invoke("RecordFailureFunction", event("record_failure", run=name))
    failed = sam.cloud.runs.get(name)
    assert (failed.status, failed.error and failed.error.type) == ("FAILED", "InvalidTargetError")


def _entry(run: Run) -> dict[str, Any]:
    return {"tenant": "demo", "model": "failing", "file": run.file, "started_at": run.started_at}


def test_authorize_request_returns_the_tenant_of_the_key(sam: Sam) -> None:
    document = event("authorize_request")
    for headers in (document["headers"], document["multiValueHeaders"]):
        for name in [name for name in headers if name.lower() == "x-api-key"]:
            headers[name] = [sam.cloud.key] if isinstance(headers[name], list) else sam.cloud.key
    response = sam.invoke("AuthorizeRequestFunction", document)
    assert response["context"]["tenant"] == "demo"
    assert response["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert response["usageIdentifierKey"]


def test_predict_returns_predictions(sam: Sam, run: Run) -> None:
    document = event("predict", **_asked("POST", "/v2/models/wine/infer", json.dumps({"rows": ROWS})))
    response = sam.invoke("PredictFunction", document)
    assert response["statusCode"] == 200, response
    body = json.loads(response["body"])
    assert (body["model"], body["version"], len(body["predictions"])) == ("wine", 1, len(ROWS))


def test_describe_models_returns_the_inputs_of_a_model(sam: Sam, run: Run) -> None:
    response = sam.invoke("DescribeModelsFunction", event("describe_models", **_asked("GET", "/v2/models/wine", None)))
    assert response["statusCode"] == 200, response
    assert {column["name"] for column in json.loads(response["body"])["inputs"]} == set(ROWS[0])


def _asked(method: str, path: str, body: str | None) -> dict[str, Any]:
    parameters = {"model": path.split("/")[3]}
    return {"httpMethod": method, "path": path, "body": body, "pathParameters": parameters, "isBase64Encoded": False}


def test_start_api_serves_a_prediction(sam: Sam, run: Run) -> None:
    with sam.api(3055) as url:
        address = f"{url}/v2/models/wine/infer"
        response = httpx.post(address, json={"rows": ROWS}, headers={"x-api-key": sam.cloud.key}, timeout=120)
        refused = httpx.post(address, json={"rows": ROWS}, timeout=120)
    assert response.status_code == 200, response.text
    assert [p["label"] for p in response.json()["predictions"]] == [row["cultivar"] for row in wine()[1:4]]
    assert refused.status_code in (401, 403)
