"""A whole run on moto, each step with its role of the template; IAM would refuse no call of a step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest

from pipeline import bootstrap
from pipeline.bootstrap.adapters import clients_of_job
from pipeline.bootstrap.settings import JobSettings
from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.cloud.s3_object_store import S3ObjectStore
from pipeline.contracts.object_keys import RunKeys, run_name
from pipeline.contracts.records.model_version import GoldenPredictions
from pipeline.contracts.table_keys import api_key_key, run_key, version_key
from pipeline.intake.run_log import RunLog
from pipeline.jobs.compress import compress
from pipeline.jobs.ensemble import ensemble
from pipeline.jobs.runtime.job import JobWork, make_work, run_job
from pipeline.jobs.train import train
from pipeline.registry.api_keys import ApiKeys
from tests.helpers.function_files import event
from tests.helpers.handlers import handler
from tests.helpers.permissions import permitted_to, roles, tenant_role_environ
from tests.helpers.template import resources
from tests.integration.conftest import ARTIFACTS, TABLE, UPLOADS
from tests.integration.test_state_functions import World

TENANT = "demo"
FOLDER = f"{TENANT}/adult"


@pytest.fixture
def run(clients: Clients, account: dict[str, str]) -> str:
    """A run that was started by its upload: two columns, a linear model."""
    uploads = S3ObjectStore(clients.s3, UPLOADS)
    uploads.put(f"{FOLDER}/train.yaml", b"algorithms: [linear]\nrefit: false\n")
    rng = np.random.default_rng(0)
    age = rng.normal(40, 10, 300).round(3)
    frame = pl.DataFrame(
        {"age": age, "job": rng.choice(["cook", "clerk"], 300), "income": np.where(age > 40, "h", "l")}
    )
    uploads.put(f"{FOLDER}/train.csv", frame.write_csv().encode())
    version = uploads.head(f"{FOLDER}/train.csv").version_id
    record = event("start_run")["Records"][0]
    body = json.loads(record["body"])
    body["detail"]["object"] |= {"key": f"{FOLDER}/train.csv", "version-id": version}
    assert handler("start_run")({"Records": [record | {"body": json.dumps(body)}]}) == {"batchItemFailures": []}
    return run_name(TENANT, "adult", UPLOADS, f"{FOLDER}/train.csv", version)


def do_job(
    role: str, make: Callable[[Mapping[str, str]], JobWork], run: str, job: str, environ: dict[str, str]
) -> None:
    job_environ = {**environ, "MODELDROP_QUEUE": "cpu", **tenant_role_environ(role)}
    with permitted_to(role):
        work, arguments = make(job_environ), ["--run", run, "--job", job]
        assert run_job(work, arguments, connect=lambda name: bootstrap.job(name, job_environ)) == 0


def test_every_call_of_a_run_is_allowed_by_the_role_of_its_step(
    run: str, clients: Clients, account: dict[str, str]
) -> None:
    artifacts, keys = S3ObjectStore(clients.s3, ARTIFACTS), RunKeys(run)
    state = {"run": run}
    handler("validate_dataset")(state)
    do_job("ValidateJobRole", lambda environ: make_work(bootstrap.validator(environ)), run, "validate", account)
    (job,) = handler("plan_training")(state)["jobs"]
    do_job("JobRole", lambda _: train, run, job["name"], account)
    handler("collect_job")({**state, "stage": "train"})
    do_job("JobRole", lambda _: ensemble, run, "ensemble", account)
    handler("collect_job")({**state, "stage": "ensemble"})
    do_job("JobRole", lambda _: compress, run, "compress", account)
    handler("collect_job")({**state, "stage": "compress"})
    handler("select_variant")(state)
    handler("evaluate_model")(state)
    do_job("JobRole", lambda environ: make_work(bootstrap.evaluation_job(environ)), run, "evaluate", account)
    version = handler("register_model")(state)["version"]
    golden = GoldenPredictions.from_bytes(artifacts.get(keys.golden))
    World.predict_answers(None, golden.predictions)  # type: ignore[arg-type]  # it needs nothing of its world
    handler("smoke_test")({**state, "version": version})
    assert handler("promote_model")({**state, "version": version}) == {"status": "SUCCEEDED"}
    prediction_event = event(
        "predict", path="/v2/models/adult/infer", body=json.dumps({"rows": [{"age": 41, "job": "cook"}]})
    )
    response = handler("predict")(prediction_event)
    assert response["statusCode"] == 200, response
    for path in ("/v2/models/adult", "/registry/models", "/registry/models/adult/versions/1", "/registry/rejected"):
        assert handler("describe_models")(event("describe_models", path=path))["statusCode"] == 200
    move = {"path": "/registry/models/adult/aliases/canary", "body": json.dumps({"version": version})}
    assert handler("manage_registry")(event("manage_registry", **move))["statusCode"] == 200
    cancel = {"path": f"/registry/runs/{run}/cancel", "httpMethod": "POST", "body": None}
    assert handler("manage_registry")(event("manage_registry", **cancel))["statusCode"] == 409  # it has ended
    assert handler("publish_changes")(event("publish_changes")) == {"published": 2}
    assert handler("grant_upload")(event("grant_upload"))["statusCode"] == 201
    file = {"model": "adult", "file": "adult.csv", "bytes": 5}
    parts = {"path": "/registry/uploads/multipart", "body": json.dumps(file)}
    began = handler("grant_upload")(event("grant_upload", **parts))
    file["upload_id"] = json.loads(began["body"])["upload_id"]
    for path, status in (("", 200), ("/complete", 409), ("/abort", 200)):
        parts = {"path": f"/registry/uploads/multipart{path}", "body": json.dumps(file)}
        assert handler("grant_upload")(event("grant_upload", **parts))["statusCode"] == status
    key = ApiKeys(DynamoTable(clients.dynamodb, TABLE)).create(TENANT)
    headers = {"x-api-key": key}
    multi = {"x-api-key": [key]}
    handler("authorize_request")(event("authorize_request", headers=headers, multiValueHeaders=multi))
    handler("record_failure")(event("record_failure", run=run))
    assert handler("check_rollouts")(event("check_rollouts")) == {"ended": 0}
    assert handler("fail_lost_runs")(event("fail_lost_runs")) == {"runs": 0}
    assert handler("purge_versions")(event("purge_versions")) == {"versions": 0, "failed_tenants": 0}
    assert RunLog(DynamoTable(clients.dynamodb, TABLE)).get(run).status == "SUCCEEDED"
    mains = {name for name in resources("AWS::IAM::Role") if name.endswith("JobRole")}
    assert roles() == {*resources("AWS::Serverless::Function"), *mains}


def job_table(environ: dict[str, str]) -> DynamoTable:
    """The table as a job of a run of ``demo`` sees it."""
    settings = JobSettings.from_env({**environ, "MODELDROP_QUEUE": "cpu", **tenant_role_environ("JobRole")})
    return DynamoTable(clients_of_job("demo_adult_000000000001", environ, settings).dynamodb, TABLE)


def test_a_call_that_the_template_does_not_permit_is_detected(clients: Clients, account: dict[str, str]) -> None:
    artifacts = S3ObjectStore(clients.s3, ARTIFACTS)
    with (
        pytest.raises(AssertionError, match=r"PredictFunction may not .*s3:PutObject"),
        permitted_to("PredictFunction"),
    ):
        artifacts.put("tenants/demo/artifacts/a", b"")
    table = DynamoTable(clients.dynamodb, TABLE)
    with pytest.raises(AssertionError, match=r"JobRole called \['dynamodb'\] with its own"), permitted_to("JobRole"):
        table.get(*run_key("demo", "demo_adult_000000000001"))
    narrowed = job_table(account)
    for key in (version_key("demo", "adult", 1), run_key("acme", "acme_adult_000000000001")):
        with pytest.raises(AssertionError, match=r"JobRole may not .*dynamodb:UpdateItem"), permitted_to("JobRole"):
            narrowed.update(*key, {"record": "{}"})
    refused = pytest.raises(AssertionError, match=r"DescribeModelsFunction may not .*KEY#")
    with refused, permitted_to("DescribeModelsFunction"):
        table.get(*api_key_key("0" * 64))
