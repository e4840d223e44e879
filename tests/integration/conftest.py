"""AWS in this process (moto), with the buckets, the table and the state machine of the template."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.contracts.ports import Table
from tests.fakes.table import FakeTable

REGION = "us-east-1"
UPLOADS, ARTIFACTS, TABLE = "modeldrop-uploads", "modeldrop-artifacts", "modeldrop-table"
ROLE = "arn:aws:iam::123456789012:role/any"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of an empty account."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield Clients(region=REGION, credentials=("test", "test"))


@pytest.fixture
def buckets(clients: Clients) -> None:
    for name in (UPLOADS, ARTIFACTS):
        clients.s3.create_bucket(Bucket=name)
        clients.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def tables(clients: Clients) -> None:
    clients.dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "listing", "listed_at")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "listing-index",
                "KeySchema": [
                    {"AttributeName": "listing", "KeyType": "HASH"},
                    {"AttributeName": "listed_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


@pytest.fixture(params=["dynamodb", "fake"])
def table(request: pytest.FixtureRequest) -> Table:
    """The table in DynamoDB, and its fake: both must pass the same tests."""
    if request.param == "fake":
        return FakeTable()
    request.getfixturevalue("tables")
    return DynamoTable(request.getfixturevalue("clients").dynamodb, TABLE)


@pytest.fixture
def state_machine(clients: Clients) -> str:
    """A state machine's ARN; its executions wait."""
    states = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    made = clients.stepfunctions.create_state_machine(
        name="modeldrop-pipeline", definition=json.dumps(states), roleArn=ROLE
    )
    return made["stateMachineArn"]


@pytest.fixture
def account(buckets: None, tables: None, state_machine: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All resources, and the environment variables that the template gives to the functions."""
    environ = {
        "AWS_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "LOG_LEVEL": "INFO",
        "AWS_ENDPOINT_URL": "",
        "TABLE_NAME": TABLE,
        "UPLOADS_BUCKET": UPLOADS,
        "ARTIFACTS_BUCKET": ARTIFACTS,
        "STATE_MACHINE_ARN": state_machine,
        "PREDICT_FUNCTION": "modeldrop-predict",
        "CODE_VERSION": "0.1.0",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ
