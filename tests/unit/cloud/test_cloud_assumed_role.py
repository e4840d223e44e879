"""The credentials of a job that runs a user's code."""

from __future__ import annotations

import json

import boto3
from botocore.session import Session
from moto import mock_aws

from pipeline.cloud.assumed_role import RunRole

ROLE = RunRole(
    role="arn:aws-cn:iam::123456789012:role/run", run="demo_adult_000000000001", bucket="artifacts", table="modeldrop"
)


def test_the_policy_names_the_run_alone() -> None:
    resources = [statement["Resource"] for statement in ROLE.policy()["Statement"]]
    assert resources == [
        "arn:aws-cn:s3:::artifacts/tenants/demo/runs/demo_adult_000000000001/*",
        "arn:aws-cn:s3:::artifacts",
        "arn:aws-cn:dynamodb:*:123456789012:table/modeldrop",
    ]
    assert "demo_adult_000000000002" not in json.dumps(ROLE.policy())
    assert len(json.dumps(ROLE.policy())) < 2048, "the most that STS takes"


@mock_aws
def test_its_session_has_the_credentials_of_the_role_that_was_taken() -> None:
    own = Session()
    own.set_credentials("own", "secret")
    taken = ROLE.session(own, None).get_credentials()
    assert taken is not None
    assert taken.access_key != "own"
    assert taken.token
    assert boto3.client("sts", region_name="us-east-1", aws_access_key_id=taken.access_key,
                        aws_secret_access_key=taken.secret_key, aws_session_token=taken.token)  # fmt: skip
