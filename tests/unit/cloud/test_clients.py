"""AWS clients: their endpoints, retries and configuration errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.cloud.clients import Clients
from pipeline.contracts.errors import ConfigurationError


def test_a_custom_endpoint_uses_path_style_addresses() -> None:
    clients = Clients(endpoint_url="http://localhost:4566", region="us-east-1", credentials=("a", "b"))
    url = clients.s3.generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "k"})
    assert url.startswith("http://localhost:4566/uploads/k?")
    assert clients.dynamodb.meta.endpoint_url == "http://localhost:4566"


def test_a_client_calls_the_endpoint_of_its_region() -> None:
    clients = Clients(region="eu-central-1", credentials=("a", "b"))
    assert clients.stepfunctions.meta.endpoint_url == "https://states.eu-central-1.amazonaws.com"


def test_a_client_is_created_once() -> None:
    clients = Clients(region="us-east-1")
    assert clients.logs is clients.logs


def test_calls_of_functions_are_not_retried() -> None:
    config = Clients(region="us-east-1").functions.meta.config
    assert config.retries is not None
    assert config.retries["total_max_attempts"] == 1


def test_a_missing_region_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(ConfigurationError, match="region"):
        _ = Clients().dynamodb


def test_an_invalid_endpoint_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="not an address"):
        _ = Clients(endpoint_url="not an address", region="us-east-1").s3


def test_a_cold_start_does_not_import_boto3_s3transfer_or_pydantic() -> None:
    script = (
        "import sys\n"
        "from pipeline.cloud.clients import Clients\n"
        "from pipeline.cloud.dynamo_table import DynamoTable\n"
        "from pipeline.cloud.s3_object_store import S3ObjectStore\n"
        "clients = Clients(region='us-east-1')\n"
        "DynamoTable(clients.dynamodb, 't'), S3ObjectStore(clients.s3, 'b')\n"
        "print(sorted({'boto3', 's3transfer', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
