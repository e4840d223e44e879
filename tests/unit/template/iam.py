"""IAM's decision on one call, by the policies that the template writes: allowed by a statement, or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.unit.template.template import template

__all__ = ["Call", "arn_of", "is_allowed", "statements_of"]

ACCOUNT, REGION, STACK = "123456789012", "us-east-1", "modeldrop"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": STACK,
    "AWS::NoValue": None,
}
_ARNS = {  # type -> ARN of the resource named so
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/{name}",
    "AWS::Serverless::Function": "arn:aws:lambda:us-east-1:123456789012:function:{name}",
    "AWS::Serverless::StateMachine": "arn:aws:states:us-east-1:123456789012:stateMachine:{name}",
    "AWS::Batch::JobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/{name}",
    "AWS::Batch::JobDefinition": "arn:aws:batch:us-east-1:123456789012:job-definition/modeldrop-{name}:1",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{name}",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One action on one resource. ``context`` are condition keys, each with its values."""

    action: str
    resource: str
    context: Mapping[str, list[str]] = field(default_factory=dict)


def arn_of(name: str) -> str:
    return _ARNS[template()["Resources"][name]["Type"]].format(name=name)


def statements_of(name: str) -> list[dict[str, Any]]:
    """Those of a function, a state machine, or a role with the policies that are attached to it."""
    resource = template()["Resources"][name]["Properties"]
    policies = [policy.get("PolicyDocument", policy) for policy in resource.get("Policies", [])]
    for other in template()["Resources"].values():
        if other["Type"] == "AWS::IAM::RolePolicy" and other["Properties"]["RoleName"] == {"Ref": name}:
            policies.append(other["Properties"]["PolicyDocument"])
    return [statement for policy in policies for one in policy["Statement"] for statement in _chosen(one)]


def is_allowed(call: Call, statements: list[dict[str, Any]]) -> bool:
    assert all(statement["Effect"] == "Allow" for statement in statements), "only Allow is written"
    return any(_matches(call, statement) for statement in statements)


def _matches(call: Call, statement: Mapping[str, Any]) -> bool:
    resources = [resolved for one in _list(statement["Resource"]) if (resolved := _resolved(one)) is not None]
    return (
        any(fnmatchcase(call.action, action) for action in _list(statement["Action"]))
        and any(fnmatchcase(call.resource, resource) for resource in resources)
        and all(_holds(operator, tests, call) for operator, tests in statement.get("Condition", {}).items())
    )


def _holds(operator: str, tests: Mapping[str, Any], call: Call) -> bool:
    quantifier, _, comparison = operator.rpartition(":")
    for key, patterns in tests.items():
        values = call.context.get(key, [])
        if quantifier != "ForAllValues" and not values:
            return False
        matched = [any(_equal(comparison, value, pattern) for pattern in _list(patterns)) for value in values]
        if "Not" in comparison:
            matched = [not found for found in matched]
        if not all(matched):
            return False
    return True


def _equal(comparison: str, value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern) if comparison.endswith("Like") else value == pattern


def _chosen(statement: Any) -> Iterator[dict[str, Any]]:
    """With each condition of the template taken as true."""
    if "Fn::If" in statement:
        statement = statement["Fn::If"][1]
    if statement != {"Ref": "AWS::NoValue"}:
        yield statement


def _resolved(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if "Fn::If" in value:
        return _resolved(value["Fn::If"][1])
    if "Ref" in value:
        name = value["Ref"]
        return _PSEUDO[name] if name in _PSEUDO else arn_of(name)
    if "Fn::GetAtt" in value:
        name, attribute = value["Fn::GetAtt"]
        return arn_of(name) if attribute == "Arn" else str(name)
    return re.sub(r"\$\{([^}]+)\}", lambda found: _named(found[1]), value["Fn::Sub"])


def _named(name: str) -> str:
    if name in _PSEUDO:
        return str(_PSEUDO[name])
    logical, _, attribute = name.partition(".")
    return arn_of(logical) if attribute == "Arn" else logical


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
