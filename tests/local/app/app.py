"""Functions of the small application that the tests deploy; ``what`` in the event selects the behavior."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import boto3


class TooSourError(Exception):
    """An error class of the application."""


def handler(event: dict[str, Any], context: Any) -> Any:
    what = event.get("what")
    if what == "raise":
        raise TooSourError("no sugar")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "exit":
        os._exit(7)
    if what == "say":
        sys.stdout.write("on stdout\n")
        sys.stderr.write("on stderr\n")
    return {
        "pid": os.getpid(),
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "milliseconds_left": context.get_remaining_time_in_millis(),
        "setting": os.environ.get("SETTING"),
        "profile": os.environ.get("AWS_PROFILE"),
        "endpoint": os.environ.get("AWS_ENDPOINT_URL"),
    }


def remember(event: dict[str, Any], context: Any) -> None:
    """Keep the event where a test finds it, under the name of the execution or of the object that it is about."""
    detail = event["detail"]
    name = detail.get("name") or detail["object"]["key"].rsplit("/", 1)[-1]
    key = f"events/{name}/{detail.get('status', 'created')}.json"
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps(event).encode())


def remember_items(event: dict[str, Any], context: Any) -> None:
    """Keep the keys of changed items where a test finds them."""
    for record in event["Records"]:
        key = f"items/{record['dynamodb']['Keys']['pk']['S']}"
        boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=key, Body=b"")


def authorize(event: dict[str, Any], context: Any) -> dict[str, Any]:
    key = event["headers"].get("x-api-key", "")
    effect = "Allow" if key.startswith("good") else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": "*"}
    gateway_key = os.environ["GATEWAY_KEY"] if key == "good" else "a gateway key that nobody knows"
    return {
        "principalId": "somebody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"tenant": "acme"},
        "usageIdentifierKey": gateway_key,
    }


def answer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event["path"] == "/crash":
        raise TooSourError("a secret")
    seen = {
        "tenant": event["requestContext"]["authorizer"]["tenant"],
        "authorizer": sorted(event["requestContext"]["authorizer"]),
        "key": event["headers"]["x-api-key"],
        "base64": event["isBase64Encoded"],
    }
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(seen)}
