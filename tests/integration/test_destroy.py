"""`modeldrop destroy` on moto: object versions, delete markers, images, keys, the user pool and the stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.cloud.administration.stack import Stack
from pipeline.cloud.administration.stored_data import AwsStoredData
from pipeline.cloud.clients import Clients
from pipeline.deployment.destroy import destroy, find_removal

REGION = "eu-west-1"
TEMPLATE = {
    "Resources": {
        "Uploads": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "uploads"},
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "records",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            },
        },
        "Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "images"}},
    }
}


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        boto3.client("cloudformation", region_name=REGION).create_stack(
            StackName="prod", TemplateBody=json.dumps(TEMPLATE)
        )
        clients = Clients(region=REGION)
        clients.s3.put_bucket_versioning(  # moto's CloudFormation leaves it off
            Bucket="uploads", VersioningConfiguration={"Status": "Enabled"}
        )
        yield clients


def _fill(clients: Clients, objects: int) -> None:
    for number in range(objects):
        clients.s3.put_object(Bucket="uploads", Key=f"tenant/model/{number}", Body=b"a,b\n")
    clients.s3.put_object(Bucket="uploads", Key="tenant/model/0", Body=b"another version")
    clients.s3.delete_object(Bucket="uploads", Key="tenant/model/1")  # a delete marker
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": kind, "layers": [], "config": {}}
    clients.ecr.put_image(repositoryName="images", imageManifest=json.dumps(manifest), imageTag="latest")


def _destroy(clients: Clients, **options: bool) -> list[str]:
    reported: list[str] = []
    stack = Stack(clients.cloudformation, "prod")
    removal = find_removal("prod", stack, **options)
    destroy(removal, stack=stack, data=AwsStoredData(clients), report=reported.append, sleep=lambda seconds: None)
    return reported


def test_destroy_deletes_the_stack_with_every_version_image_and_table(clients: Clients) -> None:
    _fill(clients, 5)
    for name in ("prod/acme", "prod/demo", "production/acme"):
        clients.apigateway.create_api_key(name=name, value=f"{name:-<30}", enabled=True)
    reported = _destroy(clients)
    assert "deleted 2 gateway keys of tenants" in reported
    assert [key["name"] for key in clients.apigateway.get_api_keys()["items"]] == ["production/acme"]
    assert "deleted 7 object versions of uploads" in reported
    assert "deleted 1 images of images" in reported
    assert Stack(clients.cloudformation, "prod").state() is None
    assert clients.s3.list_buckets()["Buckets"] == []
    assert clients.dynamodb.list_tables()["TableNames"] == []


def test_a_user_pool_is_deleted_with_its_users(clients: Clients) -> None:
    pool = clients.cognito.create_user_pool(PoolName="prod")["UserPool"]["Id"]
    clients.cognito.admin_create_user(UserPoolId=pool, Username="anna")
    for _ in range(2):  # the second time it is gone already
        AwsStoredData(clients).delete_user_pool(pool)
        assert clients.cognito.list_user_pools(MaxResults=9)["UserPools"] == []


def test_missing_buckets_tables_and_repositories_are_ignored(clients: Clients) -> None:
    data = AwsStoredData(clients)
    assert list(data.empty_bucket("no-such-bucket")) == []
    data.delete_bucket("no-such-bucket")
    data.delete_table("no-such-table")
    assert data.empty_repository("no-such-repository") == 0


def test_delete_bucket_fails_for_a_bucket_with_objects(clients: Clients) -> None:
    _fill(clients, 1)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        AwsStoredData(clients).delete_bucket("uploads")
