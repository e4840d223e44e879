"""Large data on the embedded cloud is validated by a job, with the same result as by the function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.contracts.object_keys import RunKeys
from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, breast_cancer

pytestmark = pytest.mark.cloud

_ROWS = breast_cancer()


@pytest.fixture
def small_functions(cloud: Cloud) -> Iterator[None]:
    """Let the function validate at most a thousand bytes."""
    functions = cloud.session.client("lambda")
    (name,) = [one["FunctionName"] for one in _functions(functions) if "StartRun" in one["FunctionName"]]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before, "LARGE_BYTES": "1000"}}
    )
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def _functions(functions: Any) -> list[dict[str, Any]]:
    return [one for page in functions.get_paginator("list_functions").paginate() for one in page["Functions"]]


@pytest.mark.usefixtures("small_functions")
def test_part_files_are_validated_by_a_job_and_become_a_model(cloud: Cloud) -> None:
    folder = "demo/parts/2024"
    spec = b"algorithms: [linear]\nblend: false\ncompression: {precisions: [fp32]}\n"
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/parts/train.yaml", Body=spec)
    for number in range(3):
        body = as_csv(_ROWS[number::3])
        cloud.s3.put_object(Bucket=cloud.uploads, Key=f"{folder}/part-{number}.csv", Body=body)
    run = cloud.drop_and_end(f"{folder}/_SUCCESS", b"")
    assert run.status == "SUCCEEDED", run.error
    assert run.file == "2024/"
    assert sum(cloud.document(run.run, "dataset")["rows"].values()) == len(_ROWS)
    outcome = cloud.s3.get_object(Bucket=cloud.artifacts, Key=RunKeys(run.run).outcome("validate"))["Body"].read()
    assert json.loads(outcome)["status"] == "SUCCEEDED"


@pytest.mark.usefixtures("small_functions")
def test_a_file_that_the_job_refuses_fails_the_run_as_with_the_function(cloud: Cloud) -> None:
    body = as_csv([{**row, "diagnosis": "same"} for row in _ROWS])
    run = cloud.drop_and_end("demo/large-bad/a.csv", body)
    assert run.status == "FAILED"
    assert run.error is not None
    assert (run.error.type, "constant" in run.error.message) == ("InvalidTargetError", True)
    assert [stage.status for stage in run.stages if stage.name == "validate"] == ["FAILED"]
    keys = RunKeys(run.run)
    report = json.loads(cloud.s3.get_object(Bucket=cloud.artifacts, Key=keys.quarantine("report.json"))["Body"].read())
    assert report["error"]["message"] == run.error.message
    assert cloud.s3.get_object(Bucket=cloud.artifacts, Key=keys.quarantine("a.csv"))["Body"].read() == body
