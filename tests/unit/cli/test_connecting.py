"""The command connects to a stack on AWS, which moto imitates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from pipeline.cli.main import app

REGION = "eu-west-1"
MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:pipeline"
KEYS = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
INDEX = [{"AttributeName": name, "KeyType": kind} for name, kind in (("listing", "HASH"), ("listed_at", "RANGE"))]
TABLE = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "listing", "listed_at")
    ],
    "KeySchema": KEYS,
    "GlobalSecondaryIndexes": [
        {"IndexName": "listing-index", "KeySchema": INDEX, "Projection": {"ProjectionType": "ALL"}},
    ],
}
BUCKET = {"VersioningConfiguration": {"Status": "Enabled"}}
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": TABLE},
        "Uploads": {"Type": "AWS::S3::Bucket", "Properties": BUCKET},
        "Artifacts": {"Type": "AWS::S3::Bucket", "Properties": BUCKET},
    },
    "Outputs": {
        "TableName": {"Value": {"Ref": "Table"}},
        "UploadsBucket": {"Value": {"Ref": "Uploads"}},
        "ArtifactsBucket": {"Value": {"Ref": "Artifacts"}},
        "StateMachineArn": {"Value": MACHINE},
        "ApiUrl": {"Value": "https://abc.execute-api.eu-west-1.amazonaws.com/v1"},
    },
}


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        cloudformation = boto3.client("cloudformation", region_name=REGION)
        plan = boto3.client("apigateway", region_name=REGION).create_usage_plan(name="standard")["id"]
        outputs = TEMPLATE["Outputs"] | {"StandardUsagePlan": {"Value": plan}}  # moto's CloudFormation makes no plan
        cloudformation.create_stack(StackName="prod", TemplateBody=json.dumps(TEMPLATE | {"Outputs": outputs}))
        yield


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["--region", REGION, *arguments], env={"MODELDROP_API_KEY": ""})


@pytest.mark.usefixtures("aws")
def test_status_of_a_stack_on_aws_comes_from_its_outputs() -> None:
    document = json.loads(run("--stack", "prod", "status", "--json").stdout)
    assert document["running"] is True
    assert document["endpoint_url"] is None
    assert document["region"] == REGION
    assert document["uploads_bucket"].startswith("prod-")
    assert document["api_url"] == "https://abc.execute-api.eu-west-1.amazonaws.com/v1"
    assert "api_key" not in document


@pytest.mark.usefixtures("aws")
def test_the_same_commands_drive_a_stack_on_aws(tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    file.write_text("rooms,price\n3,100\n")
    dropped = run("--stack", "prod", "drop", "--no-check", str(file), "--target", "price", "--no-watch")
    assert dropped.exit_code == 0, dropped.stderr
    assert dropped.stdout.startswith("demo_houses_")
    assert json.loads(run("--stack", "prod", "runs", "--json").stdout) == []
    assert json.loads(run("--stack", "prod", "models", "--json").stdout) == []
    created = run("--stack", "prod", "keys", "create", "acme", "--json")
    assert created.exit_code == 0, created.stderr
    assert [key["tenant"] for key in json.loads(run("--stack", "prod", "keys", "list", "--json").stdout)] == ["acme"]


@pytest.mark.usefixtures("aws")
def test_a_command_on_a_stack_that_is_not_deployed_exits_3() -> None:
    result = run("--stack", "staging", "runs")
    assert result.exit_code == 3
    assert "staging" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_profile_is_reported_in_one_sentence() -> None:
    result = run("--stack", "prod", "--profile", "nobody-has-this-one", "runs")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
