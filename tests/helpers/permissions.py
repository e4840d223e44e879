"""Check the AWS calls that code really makes against the permissions of its role in the template.

A function or a job that works for one tenant assumes that tenant's role first. Its own credentials are only used for
that call; every other call is checked against the assumed role, with the session's tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.handlers import BUILTIN_HANDLERS
from botocore.model import OperationModel

from tests.helpers.iam import Call, arn_of, is_allowed, may_take, statements_of, tenant_role_of
from tests.integration.conftest import ARTIFACTS, TABLE, UPLOADS

__all__ = ["permitted_to", "roles", "tenant_role_environ"]

_NAMES = {UPLOADS: "UploadsBucket", ARTIFACTS: "ArtifactsBucket", TABLE: "Table"}
_ACTIONS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
}
_asked: list[tuple[str, str, dict[str, Any]]] = []  # service, operation, parameters
_signed: list[tuple[str, bool]] = []  # service, whether credentials of an assumed role signed the request
_roles: set[str] = set()


def _record(params: dict[str, Any], model: OperationModel, **_: object) -> None:
    _asked.append((model.service_model.service_id.hyphenize(), model.name, dict(params)))


def _record_signature(request: AWSPreparedRequest, event_name: str, **_: object) -> None:
    _signed.append((event_name.split(".")[1], "X-Amz-Security-Token" in request.headers))


# These handlers apply to every client that is created from now on.
BUILTIN_HANDLERS.append(("before-parameter-build", _record))
BUILTIN_HANDLERS.append(("before-send", _record_signature))


def roles() -> set[str]:
    """Return the roles under which code has run so far in this process."""
    return set(_roles)


def tenant_role_environ(name: str) -> dict[str, str]:
    """Return the environment variables of a function, or of a role's jobs, that name the role for one tenant."""
    role = tenant_role_of(name)
    return {"TENANT_ROLE_ARN": arn_of(role)} if role else {}


@contextmanager
def permitted_to(name: str) -> Iterator[None]:
    """Fail if the template's ``name`` (a function, or a job's role) may not make an AWS call made in the block."""
    start, start_signed = len(_asked), len(_signed)
    yield
    _roles.add(name)
    asked = _asked[start:]
    taken = [params for service, _, params in asked if service == "sts"]
    calls = [call for one in asked if one[0] != "sts" for call in _calls(*one)]
    role = tenant_role_of(name)
    if role is None:
        assert not taken
        tags = {}
    else:
        own = [service for service, by_role in _signed[start_signed:] if not by_role and service != "sts"]
        assert not own, f"{name} called {own} with its own credentials"
        tags = _tags_of(name, role, taken)
    statements = statements_of(role or name)
    refused = [call for call in calls if not is_allowed(call, statements, tags)]
    assert not refused, f"{name} may not make these calls: {refused}"


def _tags_of(name: str, role: str, taken: list[dict[str, Any]]) -> dict[str, str]:
    """Return the tags of the sessions of ``role``, and check that ``name`` may assume it; a run has one tenant."""
    tags = {}
    for params in taken:
        tags = {tag["Key"]: tag["Value"] for tag in params["Tags"]}
        assert params["RoleArn"] == arn_of(role)
        assert may_take(name, role, tags), f"{name} may not take {role} with {tags}"
    return tags or {"tenant": "demo"}


def _calls(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    if service == "s3":
        yield from _of_s3(operation, params)
    elif service == "dynamodb":
        yield from _of_dynamodb(operation, params)
    elif service == "sfn":
        resource = params.get("stateMachineArn") or params["executionArn"]
        yield Call(action=f"states:{operation}", resource=resource.replace("modeldrop-pipeline", "Pipeline"))
    elif service == "eventbridge":
        bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
        source = {"events:source": [entry["Source"] for entry in params["Entries"]]}
        yield Call(action=f"events:{operation}", resource=bus, context=source)
    elif service == "lambda":
        assert params["FunctionName"] == "modeldrop-predict"
        yield Call(action="lambda:InvokeFunction", resource=arn_of("PredictFunction"))
    else:
        raise AssertionError(f"the service {service} is new here: say which permission {operation} needs")


def _of_s3(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "CreateBucket":  # botocore builds its URL, and sends nothing, for a presigned form
        return
    bucket = arn_of(_NAMES[params["Bucket"]])
    if operation in ("ListObjectsV2", "ListObjectVersions"):
        action = {"ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions"}[operation]
        yield Call(action=f"s3:{action}", resource=bucket, context={"s3:prefix": [params.get("Prefix", "")]})
        return
    if operation == "CopyObject":
        source = params["CopySource"]
        version = "Version" if source.get("VersionId") else ""
        yield Call(action=f"s3:GetObject{version}", resource=f"{arn_of(_NAMES[source['Bucket']])}/{source['Key']}")
        operation = "PutObject"
    version = "Version" if params.get("VersionId") else ""
    yield Call(action=f"s3:{_ACTIONS.get(operation, operation)}{version}", resource=f"{bucket}/{params['Key']}")


def _of_dynamodb(operation: str, params: Mapping[str, Any]) -> Iterator[Call]:
    if operation == "TransactWriteItems":
        for item in params["TransactItems"]:
            (kind,) = item
            yield from _of_dynamodb(f"{kind}Item", item[kind])
        return
    if operation == "BatchGetItem":
        for name, request in params["RequestItems"].items():
            leading = {"dynamodb:LeadingKeys": [key["pk"]["S"] for key in request["Keys"]]}
            yield Call(action="dynamodb:BatchGetItem", resource=arn_of(_NAMES[name]), context=leading)
        return
    table = arn_of(_NAMES[params["TableName"]])
    resource = f"{table}/index/{params['IndexName']}" if "IndexName" in params else table
    yield Call(action=f"dynamodb:{operation}", resource=resource, context={"dynamodb:LeadingKeys": [_leading(params)]})


def _leading(params: Mapping[str, Any]) -> str:
    """Return the partition key's value; for a query, the first bound value, where the adapter writes it."""
    if "KeyConditionExpression" in params:
        return str(params["ExpressionAttributeValues"][":v0"]["S"])
    key = params.get("Key") or params["Item"]
    name = "pk" if "pk" in key else "id"
    return str(key[name]["S"] if isinstance(key[name], dict) else key[name])
